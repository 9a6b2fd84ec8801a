import CEndpoints
import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// Never answers; ends when it is cancelled.
private struct SilentResolver: NameResolver {
    var silent: Set<AddressFamily> = [.ipv4, .ipv6]
    var answer: [SocketAddress] = []

    func addresses(
        of host: String,
        port: UInt16,
        family: AddressFamily
    ) async throws -> [SocketAddress] {
        if silent.contains(family) { try await Task.sleep(for: .seconds(3600)) }
        return answer.filter { $0.family == family }.map { $0.withPort(port) }
    }
}

/// A listener whose queue is full: further connects stay unanswered.
private struct StuckServer {
    let socket: ListeningSocket
    private let fillers: [ConnectedSocket]

    init() throws {
        socket = try TCPListeningTests.bind("127.0.0.1", backlog: 0)
        var fillers: [ConnectedSocket] = []
        var kernel = try socket.address.kernelAddress(operation: "connect", endpoint: nil)
        for _ in 0..<4 {
            let filler = OwnedDescriptor(endpoints_socket(AF_INET, ENDPOINTS_STREAM, 0))
            _ = endpoints_connect(filler.rawValue, &kernel.storage, kernel.length)
            fillers.append(ConnectedSocket(filler))
        }
        self.fillers = fillers
    }
}

@Suite("TCP connector", .timeLimit(.minutes(1)))
struct TCPConnectorTests {
    private let loop = EventLoopGroup.shared.next()

    private func open(
        _ host: String,
        _ port: UInt16?,
        family: AddressFamily? = nil,
        bindAddress: String? = nil,
        timeout: Duration? = .seconds(30),
        resolver: any NameResolver = TableResolver()
    ) async throws -> TCPConnector.Connected {
        try await TCPConnector.open(
            host: host,
            port: port ?? 0,
            family: family,
            bindAddress: bindAddress,
            timeout: timeout,
            endpoint: "tcp:\(host):\(port ?? 0)",
            resolver: resolver,
            on: loop
        )
    }

    /// A port on which nobody listens.
    private func freePort(_ ip: String = "127.0.0.1") throws -> UInt16 {
        try #require(try TCPListeningTests.bind(ip).address.port)
    }

    private func taken(_ connected: TCPConnector.Connected) throws -> OwnedDescriptor {
        guard let descriptor = connected.socket.take() else { throw CancellationError() }
        return descriptor
    }

    @Test("a literal connects, and no name is resolved", arguments: ["127.0.0.1", "::1"])
    func literal(ip: String) async throws {
        let server = try TCPListeningTests.bind(ip)
        let connected = try await open(ip, server.address.port)
        #expect(connected.address == server.address)
        #expect(connected.timeline.resolve == nil)
        #expect(connected.timeline.connect != nil)
        let descriptor = try taken(connected)
        #expect(SocketAddress(remoteOf: descriptor.rawValue) == server.address)
        let noDelay = endpoints_get_option(descriptor.rawValue, Int32(IPPROTO_TCP), TCP_NODELAY)
        #expect(noDelay == 1)
    }

    @Test("a name connects to the first address that answers")
    func name() async throws {
        let server = try TCPListeningTests.bind("127.0.0.1")
        let resolver = TableResolver(table: [
            "a.example": [.loopback(.ipv6, port: 0), .loopback(.ipv4, port: 0)]
        ])
        let connected = try await open("a.example", server.address.port, resolver: resolver)
        #expect(connected.address == server.address)
        #expect(connected.timeline.resolve != nil)
    }

    @Test("a refused literal says so on one line")
    func refused() async throws {
        let port = try freePort()
        let error = await #expect(throws: EndpointError.self) { try await open("127.0.0.1", port) }
        #expect(error?.code == .connectionRefused)
        #expect(error?.systemError?.code == ECONNREFUSED)
        #expect(error?.attempts.count == 1)
        #expect(
            error?.description
                == "connect tcp:127.0.0.1:\(port): connection refused (ECONNREFUSED)"
        )
    }

    @Test("all errors of a name with several addresses are kept")
    func allRefused() async throws {
        let port = try freePort()
        let other = try SocketAddress(ip: "127.0.0.2", port: 0)
        let resolver = TableResolver(table: ["a.example": [.loopback(.ipv4, port: 0), other]])
        let error = await #expect(throws: EndpointError.self) {
            try await open("a.example", port, resolver: resolver)
        }
        #expect(error?.code == .connectionRefused)
        #expect(error?.attempts.map(\.address.ip) == ["127.0.0.1", "127.0.0.2"])
        #expect(error?.attempts.allSatisfy { $0.phase == .connect } == true)
        #expect(
            error?.description == "connect tcp:a.example:\(port): all 2 addresses failed: "
                + "127.0.0.1:\(port) connection refused (ECONNREFUSED), "
                + "127.0.0.2:\(port) connection refused (ECONNREFUSED)"
        )
    }

    @Test("a name with one address says which it was")
    func oneRefused() async throws {
        let port = try freePort()
        let resolver = TableResolver(table: ["a.example": [.loopback(.ipv4, port: 0)]])
        let error = await #expect(throws: EndpointError.self) {
            try await open("a.example", port, resolver: resolver)
        }
        #expect(
            error?.description == "connect tcp:a.example:\(port): "
                + "127.0.0.1:\(port) connection refused (ECONNREFUSED)"
        )
    }

    @Test("a name without an address is not found; a resolver's own error is passed on")
    func unresolved() async {
        let error = await #expect(throws: EndpointError.self) { try await open("a.example", 80) }
        #expect(error?.code == .nameNotFound)
        #expect(error?.description == "resolve a.example: the host has no address")
        let failure = EndpointError(
            .unavailable,
            operation: "resolve",
            endpoint: "a.example",
            systemError: SystemError(addressInfo: EAI_AGAIN)
        )
        let passed = await #expect(throws: EndpointError.self) {
            try await open("a.example", 80, resolver: TableResolver(failure: failure))
        }
        #expect(passed?.systemError?.name == "EAI_AGAIN")
    }

    @Test("an address that does not answer is overtaken by the next", .timeLimit(.minutes(1)))
    func overtaken() async throws {
        let stuck = try StuckServer()
        let port = try #require(stuck.socket.address.port)
        let server = try TCPListeningTests.bind("127.0.0.2", port: port)
        let resolver = TableResolver(table: [
            "a.example": [.loopback(.ipv4, port: 0), try SocketAddress(ip: "127.0.0.2", port: 0)]
        ])
        let before = openSockets(to: stuck.socket.address)
        let connected = try await open("a.example", port, resolver: resolver)
        #expect(connected.address == server.address)
        // The loser's socket is closed already.
        #expect(openSockets(to: stuck.socket.address) == before)
        #expect(openSockets(to: server.address) == 1)
        _ = stuck
    }

    @Test("a silent AAAA server does not hold IPv4 up")
    func silentFamily() async throws {
        let server = try TCPListeningTests.bind("127.0.0.1")
        let resolver = SilentResolver(silent: [.ipv6], answer: [.loopback(.ipv4, port: 0)])
        let connected = try await open("a.example", server.address.port, resolver: resolver)
        #expect(connected.address == server.address)
    }

    @Test("the timeout bounds the look-up")
    func lookUpTimeout() async throws {
        let error = await #expect(throws: EndpointError.self) {
            try await open(
                "a.example",
                80,
                timeout: .milliseconds(20),
                resolver: SilentResolver()
            )
        }
        #expect(error?.code == .timedOut)
        #expect(error?.phase == .resolve)
        #expect(
            error?.description
                == "connect tcp:a.example:80: timed out after 0.02 s while looking up the name"
        )
    }

    @Test("the timeout bounds the attempts, and keeps what is known of each")
    func attemptTimeout() async throws {
        let stuck = try StuckServer()
        let port = try #require(stuck.socket.address.port)
        let before = openSockets(to: stuck.socket.address)
        let error = await #expect(throws: EndpointError.self) {
            try await open("127.0.0.1", port, timeout: .milliseconds(30))
        }
        #expect(error?.description == "connect tcp:127.0.0.1:\(port): timed out after 0.03 s")
        #expect(error?.attempts.count == 1)
        #expect(error?.attempts.first?.error.code == .timedOut)
        #expect(openSockets(to: stuck.socket.address) == before)
        _ = stuck
    }

    @Test("bindAddress is where the connection comes from; its family decides")
    func bindAddress() async throws {
        let server = try TCPListeningTests.bind("127.0.0.1")
        let port = server.address.port
        let connected = try await open("127.0.0.1", port, bindAddress: "127.0.0.9")
        let descriptor = try taken(connected)
        #expect(SocketAddress(localOf: descriptor.rawValue).ip == "127.0.0.9")
        let resolver = TableResolver(table: [
            "a.example": [.loopback(.ipv6, port: 0), .loopback(.ipv4, port: 0)],
            "from.example": [try SocketAddress(ip: "127.0.0.8", port: 0)],
        ])
        let named = try await open(
            "a.example",
            port,
            bindAddress: "from.example",
            resolver: resolver
        )
        let second = try taken(named)
        #expect(SocketAddress(localOf: second.rawValue).ip == "127.0.0.8")
    }

    @Test("a port behind bindAddress is the one that the connection comes from")
    func boundPort() async throws {
        let server = try TCPListeningTests.bind("127.0.0.1")
        let resolver = TableResolver(table: [
            "from.example": [try SocketAddress(ip: "127.0.0.8", port: 0)]
        ])
        for source in ["127.0.0.9", "from.example"] {
            // While it is held there nobody takes it on all addresses.
            let holder = try TCPListeningTests.bind("127.0.0.7")
            let port = holder.address.port ?? 0
            let connected = try await open(
                "127.0.0.1",
                server.address.port,
                bindAddress: "\(source):\(port)",
                resolver: resolver
            )
            let descriptor = try taken(connected)
            #expect(SocketAddress(localOf: descriptor.rawValue).port == port)
            withExtendedLifetime(holder) {}
        }
    }

    @Test("a bindAddress of another host fails in its own phase")
    func foreignBindAddress() async throws {
        let error = await #expect(throws: EndpointError.self) {
            try await open("127.0.0.1", 80, bindAddress: "192.0.2.1")
        }
        #expect(error?.code == .addressNotAvailable)
        #expect(error?.attempts.first?.phase == .bind)
    }

    @Test(
        "families that contradict each other are refused",
        arguments: [
            ("127.0.0.1", .ipv6, nil), ("::1", .ipv4, nil), ("::1", nil, "127.0.0.1"),
            ("127.0.0.1", nil, "::1"),
        ] as [(String, AddressFamily?, String?)]
    )
    func contradictions(host: String, family: AddressFamily?, source: String?) async {
        let error = await #expect(throws: EndpointError.self) {
            try await open(host, 80, family: family, bindAddress: source)
        }
        #expect(error?.code == .invalidArgument)
    }

    @Test("a socket that has connected to itself is refused")
    func selfConnect() async throws {
        // The source port that the kernel might choose, chosen.
        let port = try freePort()
        let address = SocketAddress.loopback(.ipv4, port: port)
        let error = await #expect(throws: EndpointError.self) {
            _ = try await SocketConnector.connect(
                to: address,
                from: address,
                endpoint: "self",
                on: loop
            )
        }
        #expect(error?.code == .connectionRefused)
    }

    @Test("cancelled at any point it throws CancellationError, and no descriptor is left")
    func cancelled() async throws {
        let stuck = try StuckServer()
        let server = try TCPListeningTests.bind("127.0.0.1", backlog: 1024)
        let resolver = TableResolver(table: [
            "a.example": [.loopback(.ipv6, port: 0), .loopback(.ipv4, port: 0)]
        ])
        let servers = [stuck.socket.address, server.address]
        let before = servers.map { openSockets(to: $0) }
        var cancelled = 0
        for round in 0..<300 {
            let port = servers[round % 2].port
            let task = Task {
                try await self.open("a.example", port, resolver: resolver)
            }
            for _ in 0..<(round % 20) { await Task.yield() }
            task.cancel()
            do {
                _ = try await task.value
            } catch {
                #expect(error is CancellationError)
                cancelled += 1
            }
            if round % 2 == 1 { drain(server) }
        }
        #expect(cancelled >= 150)
        #expect(servers.map { openSockets(to: $0) } == before)
    }

    @Test("a task that is cancelled already does not begin")
    func cancelledBefore() async {
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await self.open("127.0.0.1", 1)
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    private func drain(_ server: ListeningSocket) {
        var peer = KernelAddress()
        while true {
            let accepted = endpoints_accept(
                server.descriptor.rawValue,
                &peer.storage,
                &peer.length
            )
            guard accepted >= 0 else { return }
            _ = OwnedDescriptor(accepted)
        }
    }
}
