import CEndpoints
import Logging
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// Answers from a table; unknown names have no address.
struct TableResolver: NameResolver {
    var table: [String: [SocketAddress]] = [:]
    var failure: EndpointError?

    func addresses(
        of host: String,
        port: UInt16,
        family: AddressFamily
    ) async throws -> [SocketAddress] {
        if let failure { throw failure }
        return (table[host] ?? []).filter { $0.family == family }.map { $0.withPort(port) }
    }
}

@Suite("TCP listening sockets")
struct TCPListeningTests {
    static func bind(
        _ ip: String,
        port: UInt16 = 0,
        options: TCPOptions = TCPOptions(),
        backlog: Int = 16
    ) throws -> ListeningSocket {
        try TCPListening.bind(
            try SocketAddress(ip: ip, port: port),
            backlog: backlog,
            options: options,
            endpoint: "tcp:\(port)"
        )
    }

    private func option(_ socket: Int32, _ level: Int, _ name: Int32) -> Int32 {
        endpoints_get_option(socket, Int32(level), name)
    }

    @Test("port 0 is read back", arguments: ["127.0.0.1", "::1", "0.0.0.0", "::"])
    func ephemeral(ip: String) throws {
        let socket = try Self.bind(ip)
        #expect(socket.address.ip == ip)
        #expect((socket.address.port ?? 0) > 0)
        #expect(endpoints_get_option(socket.descriptor.rawValue, SOL_SOCKET, SO_ACCEPTCONN) == 1)
        // It does not block.
        var peer = KernelAddress()
        let accepted = endpoints_accept(
            socket.descriptor.rawValue,
            &peer.storage,
            &peer.length
        )
        #expect(accepted == -EAGAIN)
    }

    @Test("a second listener on the port is refused, and can have it when the first is gone")
    func addressInUse() throws {
        var first: ListeningSocket? = try Self.bind("127.0.0.1")
        let port = try #require(first?.address.port)
        let error = #expect(throws: EndpointError.self) { try Self.bind("127.0.0.1", port: port) }
        #expect(error?.code == .addressInUse)
        #expect(error?.description == "listen tcp:\(port): address already in use (EADDRINUSE)")
        first = nil
        _ = try Self.bind("127.0.0.1", port: port)
    }

    @Test("with reusePort both have it")
    func reusePort() throws {
        var options = TCPOptions()
        options.reusePort = true
        let first = try Self.bind("127.0.0.1", options: options)
        let port = try #require(first.address.port)
        let second = try Self.bind("127.0.0.1", port: port, options: options)
        #expect(second.address == first.address)
    }

    @Test("an address of another host is refused with advice")
    func foreignAddress() {
        let error = #expect(throws: EndpointError.self) { try Self.bind("192.0.2.1") }
        #expect(error?.code == .addressNotAvailable)
        #expect(error?.advice == "no interface of this host has the address 192.0.2.1")
    }

    @Test("`::` takes IPv4, too, and reports it as IPv4")
    func dualStack() throws {
        let socket = try Self.bind("::")
        let client = OwnedDescriptor(endpoints_socket(AF_INET, ENDPOINTS_STREAM, 0))
        var kernel = try SocketAddress.loopback(.ipv4, port: socket.address.port ?? 0)
            .kernelAddress(operation: "connect", endpoint: nil)
        let result = endpoints_connect(client.rawValue, &kernel.storage, kernel.length)
        #expect(result == 0 || result == -EINPROGRESS)
        var peer = KernelAddress()
        let accepted = OwnedDescriptor(
            endpoints_accept(socket.descriptor.rawValue, &peer.storage, &peer.length)
        )
        let raw = accepted.rawValue
        #expect(raw >= 0)
        #expect(SocketAddress(peer)?.ip == "127.0.0.1")
        #expect(SocketAddress(localOf: accepted.rawValue).family == .ipv4)
    }

    @Test("without dualStack `::` leaves the port to another that listens by IPv4")
    func singleStack() async throws {
        var six = try await serverFromString("tcp6:0:dualStack=no").listen()
        // A port that is free by IPv6 may be taken by IPv4; hardly ten times.
        for _ in 0..<10 {
            let port = six.addresses.first?.port ?? 0
            guard let four = try? await serverFromString("tcp:\(port)").listen() else {
                await six.close()
                six = try await serverFromString("tcp6:0:dualStack=no").listen()
                continue
            }
            await four.close()
            break
        }
        let port = try #require(six.addresses.first?.port)
        let four = try await serverFromString("tcp:\(port)").listen()
        #expect(six.addresses.first?.family == .ipv6)
        #expect(four.addresses.first?.port == port)
        await four.close()
        let error = await #expect(throws: EndpointError.self) {
            try await clientFromString("tcp:127.0.0.1:\(port)").connect()
        }
        #expect(error?.code == .connectionRefused)
        let client = try #require(six.clientEndpoints.first)
        await (try client.connect()).close()
        await six.close()
    }

    @Test("accepted connections inherit the options")
    func inheritance() throws {
        var options = TCPOptions()
        options.keepAlive = .seconds(15)
        options.userTimeout = .seconds(20)
        let socket = try Self.bind("127.0.0.1", options: options)
        let client = OwnedDescriptor(endpoints_socket(AF_INET, ENDPOINTS_STREAM, 0))
        var kernel = try socket.address.kernelAddress(operation: "connect", endpoint: nil)
        _ = endpoints_connect(client.rawValue, &kernel.storage, kernel.length)
        var peer = KernelAddress()
        let accepted = OwnedDescriptor(
            endpoints_accept(socket.descriptor.rawValue, &peer.storage, &peer.length)
        )
        let tcp = IPPROTO_TCP
        let raw = accepted.rawValue
        #expect(option(raw, tcp, TCP_NODELAY) == 1)
        #expect(option(raw, Int(SOL_SOCKET), SO_KEEPALIVE) == 1)
        #expect(option(raw, tcp, TCP_KEEPIDLE) == 15)
        #expect(option(raw, tcp, TCP_KEEPINTVL) == 15)
        #expect(option(raw, tcp, TCP_KEEPCNT) == 9)
        #expect(option(raw, tcp, TCP_USER_TIMEOUT) == 20_000)
        _ = accepted
    }

    @Test("options beyond the kernel's bounds are cut, not refused")
    func extremes() throws {
        for duration in [Duration.zero, .nanoseconds(1), .seconds(1 << 40), .seconds(-1)] {
            var options = TCPOptions()
            options.keepAlive = duration
            options.userTimeout = duration
            options.multipath = true
            _ = try Self.bind("127.0.0.1", options: options)
        }
    }

    @Test(
        "an interface means an address",
        arguments: [
            ("", nil, "0.0.0.0:80"), ("", .ipv6, "[::]:80"), ("127.0.0.1", .ipv6, "127.0.0.1:80"),
            ("::1", nil, "[::1]:80"), ("both.example", nil, "192.0.2.1:80"),
            ("both.example", .ipv6, "[2001:db8::1]:80"), ("six.example", nil, "[2001:db8::1]:80"),
        ] as [(String, AddressFamily?, String)]
    )
    func interfaces(interface: String, family: AddressFamily?, expected: String) async throws {
        let six = try SocketAddress(ip: "2001:db8::1", port: 0)
        let four = try SocketAddress(ip: "192.0.2.1", port: 0)
        let resolver = TableResolver(table: ["both.example": [six, four], "six.example": [six]])
        let address = try await TCPListening.address(
            port: 80,
            interface: interface,
            family: family,
            endpoint: "tcp:80",
            resolver: resolver
        )
        #expect(address.description == expected)
    }

    @Test("an interface that has no address is an error that names it")
    func unknownInterface() async {
        let error = await #expect(throws: EndpointError.self) {
            try await TCPListening.address(
                port: 80,
                interface: "no.example",
                family: .ipv6,
                endpoint: "tcp6:80",
                resolver: TableResolver()
            )
        }
        #expect(error?.description == "resolve no.example: the host has no IPv6 address")
    }
}
