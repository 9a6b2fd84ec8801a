import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("PROXY header, version 1")
struct ProxyHeaderV1Tests {
    @Test(
        "the addresses are the ones that the line names",
        arguments: [
            ("TCP4 192.0.2.1 198.51.100.7 49152 443", "192.0.2.1:49152", "198.51.100.7:443"),
            ("TCP4 255.255.255.255 0.0.0.0 65535 0", "255.255.255.255:65535", "0.0.0.0:0"),
            ("TCP6 2001:db8::1 2001:DB8::2 49152 443", "[2001:db8::1]:49152", "[2001:db8::2]:443"),
            ("TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2", "192.0.2.1:1", "[2001:db8::2]:2"),
            (
                "TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                    + "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"
            ),
        ]
    )
    func addresses(line: String, source: String, destination: String) throws {
        let bytes = Array("PROXY \(line)\r\n".utf8)
        let progress = try parse(bytes)
        guard case .complete(let header, bytes.count) = progress else {
            Issue.record("\(progress)")
            return
        }
        #expect(header.version == .v1)
        #expect(header.command == .proxy)
        #expect(header.source?.description == source)
        #expect(header.destination?.description == destination)
        #expect(header.tlvs.isEmpty)
        try expectCompleteOnlyAtItsEnd(bytes)
    }

    @Test(
        "UNKNOWN leaves the socket's own addresses, whatever follows it",
        arguments: [
            "", " ", " TCP4 1.2.3.4 1.2.3.4 1 2", " \u{0}\u{FF}", " TCP6 ",
            " " + String(repeating: "x", count: 91),
        ]
    )
    func unknown(text: String) throws {
        let bytes = Array("PROXY UNKNOWN\(text)\r\n".utf8)
        #expect(ProxyOutcome(bytes) == .complete(.local(version: .v1), length: bytes.count))
        try expectCompleteOnlyAtItsEnd(bytes)
    }

    /// The part after `PROXY` and a space; "^" stands before the first byte that cannot belong.
    @Test(
        "a wrong line is refused at the first byte that cannot belong",
        arguments: [
            "^tcp4 ", "TCP^5 ", "TCP^ ", "^ TCP4", "^\r\n", "TCP4^\r\n", "TCP4^\t", "TCP4 ^ ",
            "TCP4 25^6.0.0.1", "TCP4 0^1.0.0.1", "TCP4 1.^.2.3", "TCP4 1.2.3.4^.5", "TCP4 127.1^ ",
            "TCP4 ^::1", "TCP4 0^x7f.0.0.1", "TCP4 1.2.3.4^\t", "TCP4 1.2.3.4 ^ 1.2.3.4",
            "TCP4 1.2.3.4^\r\n", "TCP4 1.2.3.4 1.2.3^ 1 2", "TCP4 1.2.3.4 ^a.2.3.4",
            "TCP6 1^.2.3.4 1.2.3.4 1 2", "TCP6 ::1^%lo ::1 1 2", "TCP6 ^[::1]", "TCP6 :^1",
            "TCP6 1::2:^:3", "TCP6 1234^5", "TCP6 1:2:3:4:5:6:7^ ::1", "TCP6 1:2:3:4:5:6:7:8^:",
            "TCP6 ::1 ^-",
            "TCP4 1.2.3.4 1.2.3.4 ^+80 1", "TCP4 1.2.3.4 1.2.3.4 0^80 1",
            "TCP4 1.2.3.4 1.2.3.4 6553^6 1", "TCP4 1.2.3.4 1.2.3.4 ^ 1",
            "TCP4 1.2.3.4 1.2.3.4 1 ^\r\n", "TCP4 1.2.3.4 1.2.3.4 1 2^ \r\n",
            "TCP4 1.2.3.4 1.2.3.4 1 2^ 3\r\n", "TCP4 1.2.3.4 1.2.3.4 1 2^\n",
            "TCP4 1.2.3.4 1.2.3.4 1 2\r^\r\n", "TCP4 1.2.3.4 1.2.3.4 1 6553^6",
            "TCP4 1.2.3.4 1.2.3.4 1^\r\n", "TCP4 1.2.3.4 1.2.3.4 ^http",
            "UNKNOWN^X\r\n", "UNKNOWN^\n", "UNKNOWN a^\nb\r\n", "UNKNOWN a\r^b", "UNKNOWN\r^\r",
            "UNKNOWN " + String(repeating: "x", count: 91) + "^x\r\n",
        ]
    )
    func invalid(line: String) throws {
        let parts = "PROXY \(line)".split(separator: "^", omittingEmptySubsequences: false)
        let bytes = Array(parts.joined().utf8)
        let offset = parts[0].utf8.count
        let outcome = ProxyOutcome(bytes)
        guard case .invalid(offset, _) = outcome else {
            Issue.record("\(outcome), not at \(offset)")
            return
        }
        #expect(ProxyOutcome.fedByteByByte(bytes) == outcome)
        #expect(ProxyOutcome(Array(bytes[..<offset])) == .needsMore)
    }

    @Test("no line is longer than 107 bytes")
    func longest() throws {
        let text = String(repeating: "x", count: 91)
        try expectCompleteOnlyAtItsEnd(Array("PROXY UNKNOWN \(text)\r\n".utf8))
        // Both addresses in their longest form would need 116.
        let ip = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"
        let line = Array("PROXY TCP6 \(ip) \(ip) 65535 65535\r\n".utf8)
        guard case .invalid(105, "CR LF within 107 bytes") = ProxyOutcome(line) else {
            Issue.record("\(ProxyOutcome(line))")
            return
        }
    }

    @Test(
        "what speaks here instead is named",
        arguments: [
            (
                "GET / HTTP/1.1\r\nHost: example.com\r\n",
                #"expected "PROXY " or the version 2 signature, got "#
                    + #""GET / HTTP/1.1\r\nHost: example.co"…; "#
                    + "this is an HTTP request: the sender does not send PROXY headers"
            ),
            (
                "\u{16}\u{3}\u{1}",
                #"expected "PROXY " or the version 2 signature, got "\x16\x03\x01"; "#
                    + "this is a TLS client hello: the header has to come before TLS"
            ),
            (
                "PROXY TCP4 192.0.2.256 ",
                #"expected an IPv4 address of the source and a space at offset 21, got "192.0.2.256 ""#
            ),
            ("PROXX", #"expected "PROXY " or the version 2 signature at offset 4, got "PROXX""#),
        ]
    )
    func messages(text: String, message: String) {
        #expect {
            try parse(Array(text.utf8))
        } throws: { error in
            "\(error)" == message
        }
    }

    @Test("a header is sent as the line that names its addresses")
    func serialized() throws {
        let v4 = try ip("192.0.2.1", 49152)
        let v6 = try ip("2001:db8::2", 443)
        func line(_ source: SocketAddress?, _ destination: SocketAddress?) throws -> String {
            let header = ProxyHeader(source: source, destination: destination, version: .v1)
            return String(decoding: try header.serialized(), as: UTF8.self)
        }
        #expect(try line(v4, v4) == "PROXY TCP4 192.0.2.1 192.0.2.1 49152 49152\r\n")
        #expect(try line(v6, v6) == "PROXY TCP6 2001:db8::2 2001:db8::2 443 443\r\n")
        #expect(try line(v4, v6) == "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 49152 443\r\n")
        #expect(try line(v6, v4) == "PROXY TCP6 2001:db8::2 ::ffff:192.0.2.1 443 49152\r\n")
        let path = SocketAddress(path: "/run/a")
        #expect(try line(path, path) == "PROXY UNKNOWN\r\n")
        #expect(try line(nil, nil) == "PROXY UNKNOWN\r\n")
        #expect(try ProxyHeader.local(version: .v1).serialized() == Array("PROXY UNKNOWN\r\n".utf8))
        #expect {
            try line(v4, nil)
        } throws: {
            "\($0)"
                == "a PROXY header cannot name 192.0.2.1:49152 as source and nothing as "
                + "destination: both must be IP, or both UNIX"
        }
        #expect(throws: ProxyHeader.FormatError.self) {
            let tlv = ProxyHeader.TLV(type: .noop, value: [])
            let header = ProxyHeader(source: v4, destination: v4, version: .v1, tlvs: [tlv])
            _ = try header.serialized()
        }
    }
}
