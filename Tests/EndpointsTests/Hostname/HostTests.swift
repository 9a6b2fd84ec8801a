import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Host")
struct HostTests {
    @Test(
        "a literal is an address",
        arguments: ["192.0.2.1", "::1", "2001:db8::1", "fe80::1%lo", "::ffff:192.0.2.1"]
    )
    func literals(text: String) throws {
        let host = try Host(text, port: 1, operation: "connect", endpoint: nil)
        #expect(host == .address(try SocketAddress(ip: text, port: 1)))
    }

    @Test(
        "a name is a name",
        arguments: [
            "localhost", "example.com", "example.com.", "_sip._tcp.example.com", "a-b.example",
            "xn--bcher-kva.example", "1and1.example", "3com", "a.0b",
            String(repeating: "a", count: 63),
        ]
    )
    func names(text: String) throws {
        #expect(try Host(text, port: 1, operation: "connect", endpoint: nil) == .name(text))
    }

    @Test(
        "what is neither is refused",
        arguments: [
            "", ".", "..", "a..b", ".a", "a b", "a\0b", "127.0.0.1\0", "a\nb", "*", "*.example.com",
            "-a.example", "a-.example", "127.1", "0x7f.1", "0x7f000001", "2130706433", "1.2.3.4.",
            "example.0", "example.0x", "a.0xff", "[::1]", "::1%nosuchif0", "http://example.com",
            "example.com:80", "bü cher.example", String(repeating: "a", count: 64),
            String(repeating: "abc.", count: 64) + "a",
        ]
    )
    func refused(text: String) {
        let error = #expect(throws: EndpointError.self) {
            try Host(text, port: 1, operation: "connect", endpoint: "tcp:x")
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.description.hasPrefix("connect tcp:x: host \"") == true)
    }

    @Test("localhost and what ends in it is this host")
    func localhost() {
        for name in ["localhost", "LOCALHOST", "localhost.", "a.localhost", "a.b.LocalHost."] {
            #expect(Host.isLocalhost(name))
        }
        for name in ["localhost.example", "notlocalhost", "localhos", "."] {
            #expect(!Host.isLocalhost(name))
        }
    }
}
