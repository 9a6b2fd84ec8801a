import Endpoints
import Foundation
import Testing

@testable import CallSites

@Suite("Call sites of listeners, reconnecting clients and the testing kit", .timeLimit(.minutes(1)))
struct ListenerCallSitesTests {
    /// A socket in the abstract namespace, which leaves nothing behind.
    private let path = "@call-sites-\(UUID().uuidString)"

    /// Connects as soon as somebody listens.
    private func connectWhenListening() async throws -> Connection {
        let client: some ClientEndpoint = .unix(path: path)
        while true {
            do { return try await client.connect() } catch let error as EndpointError {
                guard error.code == .connectionRefused else { throw error }
                await Task.yield()
            }
        }
    }

    @Test("a listener is iterated, suspended, drained and closed")
    func theListening() async throws {
        let task = Task { try await listening(.unix(path: path)) }
        let connection = try await connectWhenListening()
        #expect(try await connection.read(atMost: 1) == nil)
        task.cancel()
        try await task.value
        await connection.close()
    }

    @Test("serving ends when its listener is closed, or when it is cancelled")
    func theServing() async throws {
        let listeners = [
            try await serverFromString("tcp:0:interface=127.0.0.1").listen(),
            try await serverFromString("tcp:0:interface=127.0.0.1").listen(),
            try await serverFromString("tcp:0:interface=127.0.0.1").listen(),
        ]
        let task = Task {
            try await serving(.unix(path: path), listeners[0], listeners[1], listeners[2])
        }
        let port = listeners[0].addresses[0].port ?? 0
        try await clientFromString("tcp:127.0.0.1:\(port)").withConnection { connection in
            try await connection.write("chunk".utf8)
            #expect(try await connection.read(exactly: 5) == Array("chunk".utf8))
        }
        await listeners[0].close()
        let connection = try await connectWhenListening()
        try await connection.write("a line\n".utf8)
        #expect(try await connection.read(exactly: 7) == Array("a line\n".utf8))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        await connection.close()
        for listener in listeners { await listener.close() }
    }

    @Test("a handler may use deadlines; the rest serve a listener that is closed, and return")
    func theHandlers() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = listener.addresses[0].port ?? 0
        let client = try clientFromString("tcp:127.0.0.1:\(port)")
        let task = Task { try await handlers(listener, client) }
        try await client.withConnection { connection in
            try await connection.write("chunk".utf8)
            #expect(try await connection.read(exactly: 5) == Array("chunk".utf8))
        }
        await listener.close()
        try await task.value
    }

    @Test("events end with their listener")
    func theWatching() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        async let watched: Void = watching(listener)
        await listener.close()
        await watched
    }

    @Test("a reconnecting client greets whom it reaches, until it is cancelled")
    func theReconnecting() async throws {
        let (lines, said) = AsyncStream.makeStream(of: String.self)
        try await withServer { connection in
            for try await line in connection.lines() { said.yield(line) }
        } body: { client in
            let task = Task { try await reconnecting(client) }
            var heard: [String] = []
            for await line in lines {
                heard.append(line)
                if heard.count == 2 { break }
            }
            #expect(heard == ["NICK bot", "PRIVMSG #bots :hello"])
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test("policies are values; time and chance are handed in")
    func thePolicy() async throws {
        let task = Task { try await policy(try await .refusing(), ContinuousClock()) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("the testing kit checks the library's own")
    func theTesting() async throws {
        try await withServer { _ in
        } body: { client in
            try await testing(client)
        }
    }
}
