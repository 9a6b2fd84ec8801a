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

@Suite("Connecting and listening, end to end", .timeLimit(.minutes(1)))
struct ConnectTests {
    private let context = EndpointContext()

    private func listen() async throws -> Listener {
        try await TCPListening.listen(
            port: 0,
            interface: "127.0.0.1",
            endpoint: "tcp:0",
            in: context
        )
    }

    private func connect(
        to listener: Listener,
        host: String = "127.0.0.1",
        context: EndpointContext? = nil
    ) async throws -> Connection {
        try await TCPConnector.connect(
            host: host,
            port: listener.addresses.first?.port ?? 0,
            endpoint: "tcp:\(host)",
            in: context ?? self.context
        )
    }

    @Test("bytes go both ways, and the facts are there")
    func tcp() async throws {
        let listener = try await listen()
        let resolver = TableResolver(table: ["a.example": [.loopback(.ipv4, port: 0)]])
        let named = EndpointContext(resolver: resolver)
        let client = try await connect(to: listener, host: "a.example", context: named)
        var accepted = listener.makeAsyncIterator()
        let server = try #require(await accepted.next())
        #expect(client.remoteAddress == listener.addresses.first)
        #expect(client.localAddress == server.remoteAddress)
        #expect(client.timeline.resolve != nil)
        #expect(client.timeline.connect != nil)
        try await client.write("ping".utf8)
        #expect(try await server.read(exactly: 4) == Array("ping".utf8))
        try await server.write("pong".utf8)
        #expect(try await client.read(exactly: 4) == Array("pong".utf8))
        await client.close()
        #expect(try await server.read(atMost: 1) == nil)
        await server.close()
        await listener.close()
        let error = await #expect(throws: EndpointError.self) { try await connect(to: listener) }
        #expect(error?.code == .connectionRefused)
    }

    @Test("a UNIX server: credentials, path gone when close returns")
    func unix() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.sock")
        let listener = try await UNIXListening.listen(
            path: path,
            lockfile: true,
            endpoint: "unix:a",
            in: context
        )
        let client = try await UNIXConnector.connect(
            path: path,
            checkPID: true,
            timeout: .seconds(10),
            endpoint: "unix:a",
            in: context
        )
        var accepted = listener.makeAsyncIterator()
        let server = try #require(await accepted.next())
        #expect(client.peerCredentials?.pid == getpid())
        #expect(client.remoteAddress.path == path)
        try await client.write("ping".utf8)
        #expect(try await server.read(exactly: 4) == Array("ping".utf8))
        await client.close()
        await server.close()
        await listener.close()
        #expect(directory.entries.isEmpty)
    }

    @Test("a connect made by a handler lives on the handler's loop")
    func sameLoop() async throws {
        let listener = try await listen()
        let loops = EventLoopGroup(loopCount: 2)
        for _ in 0..<4 {
            let loop = loops.next()
            let isHere = try await Task(executorPreference: loop) {
                let connection = try await connect(to: listener)
                defer { connection.abort() }
                return connection.loop === loop
            }.value
            #expect(isHere)
        }
        await listener.close()
        await loops.shutdown()
    }

    @Test(
        "cancelled at every moment: a connection, or CancellationError and nothing left",
        .tags(.cancellation)
    )
    func cancelled() async throws {
        let listener = try await listen()
        let address = try #require(listener.addresses.first)
        let drain = Task {
            for await connection in listener { await connection.close() }
        }
        var connected = 0
        var cancelled = 0
        for round in 0..<600 {
            let task = Task { try await connect(to: listener) }
            for _ in 0..<(round % 60) { await Task.yield() }
            // After it has succeeded is one of the moments.
            if round % 20 == 19 { _ = await task.result }
            task.cancel()
            do {
                try await task.value.abort()
                connected += 1
            } catch {
                #expect(error is CancellationError)
                cancelled += 1
            }
        }
        #expect(connected > 0)
        #expect(cancelled > 0)
        await listener.close()
        await drain.value
        // Aborting posts to the loop; it is over when the loop has come to it.
        while openSockets(to: address) > 0 { await Task.yield() }
    }

    @Test(
        "a connect that fails throws",
        .bug("https://github.com/apple/swift-nio/issues/2637", "swift-nio#2637")
    )
    func failedConnect() async throws {
        try await withListener { listening in
            await listening.listener.close()
            let error = await #expect(throws: EndpointError.self) { try await listening.connect() }
            #expect(error?.code == .connectionRefused)
            #expect(error?.description.contains("ECONNREFUSED") == true)
        }
    }

    @Test(
        "a connect can be cancelled",
        .tags(.cancellation),
        .bug("https://github.com/apple/swift-nio/issues/1857", "swift-nio#1857")
    )
    func cancelledConnect() async throws {
        // A full backlog answers nobody.
        let socket = OwnedDescriptor(endpoints_socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
        var local = try SocketAddress(ip: "127.0.0.1", port: 0).kernelAddress(
            operation: "bind",
            endpoint: nil
        )
        _ = endpoints_bind(socket.rawValue, &local.storage, local.length)
        _ = endpoints_listen(socket.rawValue, 0)
        let port = SocketAddress(localOf: socket.rawValue).port ?? 0
        let loop = EventLoopGroup.shared.next()
        var waiting: [Task<Connection, any Error>] = []
        for _ in 0..<8 {
            waiting.append(
                Task { try await TCPClientEndpoint(host: "127.0.0.1", port: port).connect() }
            )
            try await loop.sleep(for: .milliseconds(2))
        }
        for task in waiting { task.cancel() }
        var cancelled = 0
        for task in waiting {
            do { try await task.value.close() } catch is CancellationError { cancelled += 1 }
        }
        #expect(cancelled > 0)
    }

    @Test("closing a listener ends its iteration, at whatever moment it comes")
    func closing() async throws {
        for round in 0..<300 {
            let listener = try await listen()
            // Without executor preference: what the caller of a library most often is.
            let iteration = Task { for await connection in listener { connection.abort() } }
            let client = try? await connect(to: listener)
            for _ in 0..<(round % 30) { await Task.yield() }
            await listener.close()
            await iteration.value
            client?.abort()
        }
    }
}
