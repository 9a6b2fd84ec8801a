import Glibc
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("IP addresses in text")
struct IPAddressScannerTests {
    @Test(
        "an address is its bytes",
        arguments: [
            ("0.0.0.0", "00000000"),
            ("192.0.2.255", "c00002ff"),
            ("::", "00000000000000000000000000000000"),
            ("::1", "00000000000000000000000000000001"),
            ("1::", "00010000000000000000000000000000"),
            ("2001:DB8::a:0b", "20010db80000000000000000000a000b"),
            ("1:2:3:4:5:6:7::", "00010002000300040005000600070000"),
            ("1:2:3:4:5:6:1.2.3.4", "00010002000300040005000601020304"),
            ("::ffff:1.2.3.4", "00000000000000000000ffff01020304"),
        ]
    )
    func valid(text: String, hexadecimal: String) {
        let bytes = IPAddressScanner.bytes(of: text) ?? []
        let digits = bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
        #expect(digits.joined() == hexadecimal)
    }

    @Test(
        "what only some readers take is no address",
        arguments: [
            "", "1", "1.2.3", "1.2.3.4.", "1.2.3.4.5", "01.2.3.4", "1..2.3", "256.1.1.1", "127.1",
            "0x7f.0.0.1", "+1.2.3.4", " 1.2.3.4", "1.2.3.4 ", ":", ":1", "1:", ":::", "1::2::3",
            "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "12345::", "::g", "::1%lo",
            "[::1]", "::1.2.3", "::1.2.3.4.5", "::01.2.3.4", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4",
            "1.2.3.4::", "1:2:3:4:5:6::1.2.3.4", "::1:",
        ]
    )
    func invalid(text: String) {
        #expect(IPAddressScanner.bytes(of: text) == nil)
    }

    @Test("random text is read as inet_pton(3) reads it")
    func oracle() {
        var random = SeededGenerator(seed: 1)
        let pieces = ["0", "1", "9", "25", "255", "256", "ab", "ffff", ":", "::", ".", ":", "."]
        for _ in 0..<100_000 {
            let count = Int.random(in: 1...16, using: &random)
            let text = (0..<count).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            #expect(IPAddressScanner.bytes(of: text) == Self.systemBytes(of: text), "\(text)")
        }
    }

    @Test("whatever was accepted so far can become an address")
    func extendable() {
        var random = SeededGenerator(seed: 2)
        let alphabet = Array("0123459af::::...".utf8)
        for round in 0..<20_000 {
            var scanner: IPAddressScanner =
                round % 4 == 0 ? .ipv4(IPv4Scanner()) : .ipv6(IPv6Scanner())
            var text = ""
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                var next = scanner
                let byte = alphabet.randomElement(using: &random) ?? 0
                guard next.consume(byte) else { continue }
                scanner = next
                text.unicodeScalars.append(Unicode.Scalar(byte))
            }
            #expect(Self.canBeCompleted(scanner), "\(text)")
        }
    }

    private static func canBeCompleted(_ scanner: IPAddressScanner) -> Bool {
        let endings = (0...8).flatMap { groups in
            ["", "1", ":", ":1", "1.1.1.1", ".1.1.1", ".1.1", ".1", "1.1.1", "1.1"].map {
                $0 + String(repeating: ":1", count: groups)
            }
        }
        return endings.contains { ending in
            var copy = scanner
            return ending.utf8.allSatisfy { copy.consume($0) } && copy.bytes != nil
        }
    }

    private static func systemBytes(of text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        let isIPv6 = text.contains(":")
        guard inet_pton(isIPv6 ? AF_INET6 : AF_INET, text, &bytes) == 1 else { return nil }
        return isIPv6 ? bytes : Array(bytes.prefix(4))
    }
}
