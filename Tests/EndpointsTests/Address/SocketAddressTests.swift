import CEndpoints
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Socket address")
struct SocketAddressTests {
    @Test(
        "an IP address prints in its canonical form",
        arguments: [
            ("127.0.0.1", 80, "127.0.0.1:80"),
            ("0.0.0.0", 0, "0.0.0.0:0"),
            ("255.255.255.255", 65_535, "255.255.255.255:65535"),
            ("::", 1, "[::]:1"),
            ("::1", 443, "[::1]:443"),
            ("2001:0DB8:0:0:0:0:0:1", 443, "[2001:db8::1]:443"),
            ("2001:db8:0:1:1:1:1:1", 443, "[2001:db8:0:1:1:1:1:1]:443"),
            ("::ffff:192.0.2.1", 80, "192.0.2.1:80"),
            ("::ffff:c000:201", 80, "192.0.2.1:80"),
        ] as [(String, UInt16, String)]
    )
    func printing(ip: String, port: UInt16, expected: String) throws {
        let address = try SocketAddress(ip: ip, port: port)
        #expect(address.description == expected)
        #expect(address.port == port)
        #expect(address.path == nil)
        let text = try #require(address.ip)
        #expect(try SocketAddress(ip: text, port: port) == address)
    }

    @Test("a zone is an interface's name or number, and prints as the name")
    func zone() throws {
        let byName = try SocketAddress(ip: "fe80::1%lo", port: 80)
        #expect(byName.description == "[fe80::1%lo]:80")
        #expect(byName.ip == "fe80::1%lo")
        #expect(byName.isLinkLocal)
        let number = if_nametoindex("lo")
        #expect(try SocketAddress(ip: "fe80::1%\(number)", port: 80) == byName)
        let unknown = try SocketAddress(ip: "fe80::1%4000000000", port: 80)
        #expect(unknown.ip == "fe80::1%4000000000")
        #expect(try SocketAddress(ip: "fe80::1", port: 80) != byName)
    }

    @Test(
        "what is no literal is refused",
        arguments: [
            "", " ", "127.1", "0x7f.1", "2130706433", "127.0.0.01", "256.0.0.1", "1.2.3.4.5",
            "127.0.0.1 ", "127.0.0.1\0", "127.0.0.1\0.example", "[::1]", "::1%", "::1%nosuchif0",
            "::1%0", "::1%-1", "::1%99999999999", ":::", "1::2::3", "12345::", "example.com",
            "١٢٧.0.0.1", "127.0.0.1%lo", "::1\n",
        ]
    )
    func refused(text: String) {
        let error = #expect(throws: EndpointError.self) {
            try SocketAddress(ip: text, port: 80)
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.description.contains("\n") == false)
    }

    @Test("a UNIX address prints as its path")
    func unixPaths() {
        let address = SocketAddress(path: "/run/app.sock")
        #expect(address.description == "/run/app.sock")
        #expect(address.path == "/run/app.sock")
        #expect(address.ip == nil)
        #expect(address.port == nil)
        #expect(address.family == nil)
        #expect(SocketAddress(path: "").description == "unix:")
        #expect(SocketAddress(path: "").path == nil)
        #expect(SocketAddress(path: "\0name") == SocketAddress(path: "@name"))
        #expect(SocketAddress(path: "@name").isAbstract)
        #expect(SocketAddress(named: "stdin").description == "stdin")
    }

    @Test(
        "every kind of address survives the way to the kernel's form and back",
        arguments: [
            "/run/app.sock", "relative", "@abstract", "@a\0b", String(repeating: "x", count: 107),
            "/tmp/äöü",
        ]
    )
    func kernelForm(path: String) throws {
        let address = SocketAddress(path: path)
        let kernel = try address.kernelAddress(operation: "connect", endpoint: nil)
        #expect(SocketAddress(kernel) == address)
    }

    @Test(
        "IP addresses survive it, too",
        arguments: ["192.0.2.1", "2001:db8::1", "fe80::1%lo", "::"]
    )
    func kernelForm(ip: String) throws {
        let address = try SocketAddress(ip: ip, port: 49_152)
        let kernel = try address.kernelAddress(operation: "connect", endpoint: nil)
        #expect(SocketAddress(kernel) == address)
    }

    @Test("an IPv4 address inside an IPv6 one is an IPv4 address")
    func mapped() throws {
        var kernel = KernelAddress()
        kernel.length = endpoints_ipv6_make(&kernel.storage, 0, 0xffff_c000_0201, 80, 0)
        #expect(SocketAddress(kernel) == (try SocketAddress(ip: "192.0.2.1", port: 80)))
    }

    @Test("a kernel address without a name, or of a foreign family")
    func oddities() {
        var kernel = KernelAddress()
        kernel.storage.ss_family = sa_family_t(AF_UNIX)
        kernel.length = 2
        #expect(SocketAddress(kernel) == SocketAddress(path: ""))
        kernel.length = 0
        #expect(SocketAddress(kernel) == SocketAddress(path: ""))
        kernel.length = 16
        kernel.storage.ss_family = sa_family_t(AF_NETLINK)
        #expect(SocketAddress(kernel) == nil)
    }

    @Test("a file called @name is not the abstract name")
    func atSign() throws {
        var kernel = KernelAddress()
        kernel.length = endpoints_unix_make(&kernel.storage, "@name", 5)
        #expect(SocketAddress(kernel)?.path == "./@name")
    }

    @Test(
        "a path that cannot be used is refused when it is used",
        arguments: [
            (
                String(repeating: "x", count: 108),
                "the path has 108 bytes, a UNIX socket's at most 107"
            ),
            ("@" + String(repeating: "x", count: 107), "the path has 108 bytes"),
            ("", "the path is empty"),
            ("@", "the abstract name is empty"),
            ("/tmp/a\0b", "the path holds a NUL"),
        ]
    )
    func unusable(path: String, reason: String) {
        let error = #expect(throws: EndpointError.self) {
            try SocketAddress(path: path).kernelAddress(operation: "listen", endpoint: "unix:x")
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.description.hasPrefix("listen unix:x: \(reason)") == true)
    }

    @Test("arbitrary text never traps, and what parses prints as what parses")
    func fuzz() {
        var random = SplitMix(seed: 1)
        let alphabet = Array("0123456789abcdef:.%[]xl o\0ÿ")
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...20, using: &random)
            let text = String(
                (0..<count).map { _ in alphabet.randomElement(using: &random) ?? "0" }
            )
            guard let address = SocketAddress(literal: text, port: 1) else { continue }
            #expect(address.ip.flatMap { SocketAddress(literal: $0, port: 1) } == address)
        }
    }
}
