import Logging
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// A protocol that never reads or writes by itself, on its connection's loop.
private actor Idle {
    let connection: Connection
    nonisolated var unownedExecutor: UnownedSerialExecutor { connection.unownedExecutor }

    init(_ connection: Connection) { self.connection = connection }
}

@Suite("Reconnecting client: on loopback", .timeLimit(.minutes(1)))
struct ReconnectingLoopbackTests {
    private let context: EndpointContext

    init() {
        context = EndpointContext(logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func listen(_ port: UInt16 = 0) async throws -> Listener {
        let server: some ServerEndpoint = .tcp(port: port, interface: "127.0.0.1")
        return try await server.listen(in: context)
    }

    private func client(
        of listener: Listener,
        retry: RetryPolicy = .constant(.milliseconds(5))
    ) throws -> ReconnectingClient<Idle> {
        let port = try #require(listener.addresses.first?.port)
        return ReconnectingClient(.tcp(host: "127.0.0.1", port: port), in: context, retry: retry) {
            Idle($0)
        }
    }

    @Test("what it logs: for debugging that it has connected, as information that it lost it")
    func logged() async throws {
        let log = CapturedLog()
        let listener = try await listen()
        let port = try #require(listener.addresses.first?.port)
        let client = ReconnectingClient(
            .tcp(host: "127.0.0.1", port: port),
            in: EndpointContext(logger: log.logger),
            retry: .constant(.seconds(3600))
        ) { Idle($0) }
        await client.start()
        _ = try await client.whenConnected()
        await listener.close()
        for await state in client.states { if case .waiting = state { break } }
        await client.stop()
        #expect(log.lines("connected").map(\.level) == [.debug])
        #expect(log.lines.count == 2)
        #expect(log.lines.last?.level == .info)
    }

    @Test("an idle client notices that its server is gone, and is back when the server is")
    func restart() async throws {
        let first = try await listen()
        let client = try client(of: first)
        await client.start()
        var accepted = first.makeAsyncIterator()
        let old = try #require(await accepted.next())
        let before = try await client.whenConnected()
        await first.close()
        await old.close()
        for await state in client.states {
            if case .waiting(_, let error?) = state {
                #expect((error as? EndpointError)?.code == .connectionRefused)
                break
            }
        }
        let second = try await listen(try #require(first.addresses.first?.port))
        var acceptedNow = second.makeAsyncIterator()
        let new = try #require(await acceptedNow.next())
        let after = try await client.whenConnected()
        #expect(after !== before)
        #expect(after.connection.localAddress == new.remoteAddress)
        await client.stop()
        guard case .peerClosed = try await new.ended() else {
            Issue.record("the client closes its connection in order")
            return
        }
        await new.close()
        await second.close()
    }

    @Test("a reset is noticed, and is the last error")
    func reset() async throws {
        let listener = try await listen()
        let client = try client(of: listener, retry: .constant(.seconds(600)))
        await client.start()
        var accepted = listener.makeAsyncIterator()
        let peer = try #require(await accepted.next())
        _ = try await client.whenConnected()
        peer.abort()
        for await state in client.states { if case .waiting = state { break } }
        #expect((await client.lastError as? EndpointError)?.code == .connectionReset)
        await client.stop()
        await listener.close()
    }

    @Test("a client that nobody holds any more goes on until it is stopped")
    func dropped() async throws {
        let listener = try await listen()
        let endpoint = try #require(listener.clientEndpoints.first)
        weak var dropped: ReconnectingClient<Void>?
        do {
            let client = ReconnectingClient(endpoint, retry: .constant(.zero)) { _ in }
            dropped = client
            await client.start()
        }
        var accepted = listener.makeAsyncIterator()
        for _ in 0..<3 { await (try #require(await accepted.next())).close() }
        let client = try #require(dropped)
        await client.stop()
        await listener.close()
    }

    @Test("the last bytes of a server that goes away are read")
    func lastBytes() async throws {
        let listener = try await listen()
        let client = try client(of: listener, retry: .constant(.seconds(600)))
        await client.start()
        var accepted = listener.makeAsyncIterator()
        let peer = try #require(await accepted.next())
        let instance = try await client.whenConnected()
        let bytes = [UInt8](repeating: 7, count: 100_000)
        try await peer.write(bytes)
        await peer.close()
        for await state in client.states { if case .waiting = state { break } }
        var count = 0
        while let chunk = try await instance.connection.read(atMost: 1000) { count += chunk.count }
        #expect(count == bytes.count)
        await client.stop()
        await listener.close()
    }

    @Test("a scope connects, and its end closes the connection")
    func scope() async throws {
        let listener = try await listen()
        let port = try #require(listener.addresses.first?.port)
        var greeting: [UInt8] = []
        let peer = Task { await listener.first { _ in true } }
        try await withReconnectingClient(
            .tcp(host: "127.0.0.1", port: port),
            in: context,
            retry: .constant(.zero)
        ) { connection in
            try await connection.write("hello\n".utf8)
            return Idle(connection)
        } body: { client in
            let idle = try await client.whenConnected(failAfterFailures: 1)
            let accepted = try #require(await peer.value)
            greeting = try await accepted.read(exactly: 6)
            #expect(idle.connection.remoteAddress.port == port)
        }
        #expect(greeting == Array("hello\n".utf8))
        let accepted = try #require(await peer.value)
        #expect(try await accepted.read(atMost: 1) == nil)
        await accepted.close()
        await listener.close()
    }

    @Test("a server that is not there: the waiter gets the attempt's error")
    func refused() async throws {
        let listener = try await listen()
        let client = try client(of: listener, retry: .constant(.seconds(600)))
        await listener.close()
        await client.start()
        let error = await #expect(throws: EndpointError.self) {
            try await client.whenConnected(failAfterFailures: 1)
        }
        #expect(error?.code == .connectionRefused)
        await client.stop()
    }
}
