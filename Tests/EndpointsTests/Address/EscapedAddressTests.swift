import CEndpoints
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Addresses in logs", .tags(.security))
struct EscapedAddressTests {
    private func unix(_ bytes: [UInt8]) -> SocketAddress? {
        var kernel = KernelAddress()
        kernel.length = endpoints_unix_make(&kernel.storage, bytes, bytes.count)
        return SocketAddress(kernel)
    }

    @Test(
        "what a peer's name could do to a log or a terminal is escaped",
        arguments: [
            ("@a\nforged", #"@a\nforged"#), ("@a\r\t\0", #"@a\r\t\0"#),
            ("@\u{1B}[2J", #"@\u{1B}[2J"#), ("/run/a\u{7F}", #"/run/a\u{7F}"#),
            ("/run/a\u{9B}31m", #"/run/a\u{009B}31m"#), ("/run/\u{202E}gpj", #"/run/\u{202E}gpj"#),
            ("/run/\u{2066}a\u{200F}", #"/run/\u{2066}a\u{200F}"#),
            ("/run/\u{2028}", #"/run/\u{2028}"#), (#"/run/a\nb"#, #"/run/a\\nb"#),
        ]
    )
    func escapes(path: String, shown: String) {
        #expect(SocketAddress(path: path).description == shown)
        #expect(SocketAddress(path: path).path == path)
        #expect(SocketAddress(named: path).description == shown)
    }

    @Test(
        "a path of ordinary text prints as it is",
        arguments: ["/run/app.sock", "@é 漢", "a:b=[c]"]
    )
    func ordinary(path: String) {
        #expect(SocketAddress(path: path).description == path)
    }

    @Test("bytes that are not UTF-8 show, tell addresses apart, and reach the kernel unchanged")
    func notUTF8() throws {
        let first = try #require(unix([0x2F, 0x61, 0xFF, 0xC3, 0x28]))
        let second = try #require(unix([0x2F, 0x61, 0xFE, 0xC3, 0x28]))
        #expect(first.description == #"/a\xFF\xC3("#)
        #expect(first != second)
        #expect(first.path == "/a\u{FFFD}\u{FFFD}(")
        let kernel = try first.kernelAddress(operation: "connect", endpoint: nil)
        #expect(SocketAddress(kernel) == first)
    }

    @Test("no bytes of an address print a control character")
    func anyBytes() throws {
        var random = SplitMix(seed: 14)
        for _ in 0..<5000 {
            let count = Int.random(in: 1...40, using: &random)
            let bytes = (0..<count).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
            let address = try #require(unix(bytes))
            let text = address.description
            #expect(EndpointError.escapingControls(text) == text)
            let kernel = try address.kernelAddress(operation: "connect", endpoint: nil)
            #expect(SocketAddress(kernel) == address)
        }
    }

    @Test("a UNIX address of a PROXY header is passed on byte for byte, and prints escaped")
    func proxyHeader() throws {
        let source = try #require(unix([0x2F, 0x0A, 0xFF]))
        let header = ProxyHeader(source: source, destination: SocketAddress(path: "/b"))
        let bytes = try header.serialized()
        guard case .complete(let parsed, _) = try ProxyHeader.parse(bytes.span) else {
            Issue.record("the header is not complete")
            return
        }
        #expect(parsed.source == source)
        #expect(parsed.source?.description == #"/\n\xFF"#)
    }

    @Test("the name of an endpoint in logs is one line, and its string still gives it back")
    func endpointNames() throws {
        for path in ["/a\nb", "@\u{1B}[2J\u{202E}", "/a\\b:c"] {
            let endpoint = UNIXClientEndpoint(path: path)
            #expect(EndpointError.escapingControls(endpoint.redacted) == endpoint.redacted)
            let parsed = try clientFromString("\(endpoint)") as? UNIXClientEndpoint
            #expect(parsed == endpoint)
        }
    }
}
