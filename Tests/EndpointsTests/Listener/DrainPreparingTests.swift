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

@Suite("Draining while connections are being prepared", .timeLimit(.minutes(1)))
struct DrainPreparingTests {
    private typealias Stage = @Sendable (Connection) async throws -> Connection

    /// Serves an echo behind a stage without a time limit, on a loop whose clock the test moves.
    private func withServer(
        _ stage: @escaping Stage,
        _ body: (
            Listening, SteppedDriver, _ serving: Task<Void, any Error>, _ handlers: Tally
        ) async throws -> Void
    ) async throws {
        let driver = try SteppedDriver()
        let stepped = EventLoopGroup(drivers: [driver])
        let group = EventLoopGroup(loopCount: 1)
        let context = EndpointContext(loops: stepped, logger: quietLogger)
            .preparing("test", timeout: nil) { try await stage($0) }
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen(in: context)
        let handlers = Tally()
        let serving = Task {
            try await listener.serve { connection in
                handlers.add()
                try await echo(connection)
            }
        }
        let clients = EndpointContext(loops: group, logger: quietLogger)
        do {
            let listening = Listening(listener: listener, context: clients)
            try await body(listening, driver, serving, handlers)
        } catch {
            Issue.record(error)
        }
        serving.cancel()
        _ = await serving.result
        await stepped.shutdown()
        await group.shutdown()
    }

    @Test("at the deadline a silent handshake is ended, and serve returns")
    func silentAtDeadline() async throws {
        let begun = Tally()
        try await withServer { connection in
            begun.add()
            _ = try await connection.read(exactly: 1)
            return connection
        } _: { listening, _, serving, handlers in
            let client = try await listening.connect()
            try await begun.reaches(1)
            let result = await listening.listener.drain(within: .zero)
            #expect(result == DrainResult(finished: 0, aborted: 0))
            try await serving.value
            #expect(await code { try await client.read(atMost: 1) } == .connectionReset)
            #expect(handlers.value == 0)
        }
    }

    @Test("a handshake that ends within its second is served, within the drain")
    func finishes() async throws {
        let begun = Tally()
        try await withServer { connection in
            begun.add()
            _ = try await connection.read(exactly: 1)
            return connection
        } _: { listening, driver, serving, handlers in
            let client = try await listening.connect()
            try await begun.reaches(1)
            let draining = Task { await listening.listener.drain(within: .seconds(3600)) }
            while await listening.listener.drainerCount == 0 { await Task.yield() }
            driver.advance(by: .milliseconds(999))
            try await client.write([0, 1])
            #expect(try await client.read(exactly: 1) == [1])
            // A handler has all of the time that the drain allows.
            driver.advance(by: .seconds(3000))
            try await client.write([2])
            #expect(try await client.read(exactly: 1) == [2])
            await client.close()
            #expect(await draining.value == DrainResult(finished: 1, aborted: 0))
            try await serving.value
            #expect(handlers.value == 1)
        }
    }

    @Test("silent handshakes hold up a drain for no more than a second")
    func silentForASecond() async throws {
        let begun = Tally()
        try await withServer { connection in
            begun.add()
            _ = try await connection.read(exactly: 1)
            return connection
        } _: { listening, driver, serving, handlers in
            var clients = [try await listening.connect()]
            try await begun.reaches(1)
            driver.advance(by: .milliseconds(500))
            clients.append(try await listening.connect())
            try await begun.reaches(2)
            let draining = Task { await listening.listener.drain(within: .seconds(3600)) }
            while await listening.listener.drainerCount == 0 { await Task.yield() }
            driver.advance(by: .milliseconds(500))
            #expect(await code { try await clients[0].read(atMost: 1) } == .connectionReset)
            driver.advance(by: .milliseconds(500))
            #expect(await draining.value == DrainResult(finished: 0, aborted: 0))
            try await serving.value
            #expect(await code { try await clients[1].read(atMost: 1) } == .connectionReset)
            #expect(handlers.value == 0)
        }
    }

    @Test("no handler starts after a drain has returned, however late a handshake succeeds")
    func lateSuccess() async throws {
        let (begun, mayEnd, ended) = (Tally(), Tally(), Tally())
        try await withServer { connection in
            begun.add()
            // It ignores that it has been cancelled.
            await Task.detached { try? await mayEnd.reaches(1) }.value
            ended.add()
            return connection
        } _: { listening, _, serving, handlers in
            let client = try await listening.connect()
            try await begun.reaches(1)
            await listening.listener.drain(within: .zero)
            mayEnd.add()
            try await ended.reaches(1)
            try await serving.value
            #expect(await code { try await client.read(atMost: 1) } == .connectionReset)
            #expect(handlers.value == 0)
        }
    }

    @Test("a handler whose loop was busy until the drain had returned does not start")
    func lateHandler() async throws {
        let driver = HandDriver()
        let group = EventLoopGroup(drivers: [try EpollDriver(), driver])
        let listener = Listener.make(
            [ScriptedConnections([.connection])],
            endpoint: "test",
            in: EndpointContext(loops: group, logger: quietLogger)
        )
        #expect(listener.loop === group.loops[0])
        await driver.hold()
        let handlers = Tally()
        let serving = Task { try await listener.serve { _ in handlers.add() } }
        while await listener.liveCount == 0 { await Task.yield() }
        let result = await listener.drain(within: .zero)
        #expect(result == DrainResult(finished: 0, aborted: 1))
        driver.release()
        try await serving.value
        #expect(handlers.value == 0)
        await group.shutdown()
    }
}
