import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("The limits of serve", .timeLimit(.minutes(1)))
struct ServeLimitsTests {
    /// Serves on a loop whose time the test moves; the client is on a loop of its own.
    private func withServer(
        _ limits: ServeLimits,
        preparing stage: (@Sendable (Connection) async throws -> Connection)? = nil,
        handler: @escaping @Sendable (isolated Connection) async throws -> Void,
        _ body: (Listener, SteppedDriver, Listening) async throws -> Void
    ) async throws {
        let driver = try SteppedDriver()
        let stepped = EventLoopGroup(drivers: [driver])
        let group = EventLoopGroup(loopCount: 1)
        var context = EndpointContext(loops: stepped, logger: quietLogger)
        if let stage { context = context.preparing("test", timeout: nil, stage) }
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen(in: context)
        let serving = Task { try await listener.serve(limits: limits, handler) }
        let clients = EndpointContext(loops: group, logger: quietLogger)
        do {
            try await body(listener, driver, Listening(listener: listener, context: clients))
        } catch {
            Issue.record(error)
        }
        serving.cancel()
        _ = await serving.result
        await stepped.shutdown()
        await group.shutdown()
    }

    @Test("a connection without a byte either way for the idle time is reset")
    func idle() async throws {
        let ends = Tally()
        let limits = ServeLimits(idleTime: .seconds(60))
        try await withServer(limits) { connection in
            do { try await echo(connection) } catch let error as EndpointError {
                if error.code == .timedOut { ends.add() }
                throw error
            }
        } _: { _, driver, listening in
            let client = try await listening.connect()
            // Ten times nearly the limit: each byte starts the time anew.
            for byte in UInt8(0)..<10 {
                try await client.write([byte])
                #expect(try await client.read(exactly: 1) == [byte])
                driver.advance(by: .seconds(59))
            }
            #expect(ends.value == 0)
            driver.advance(by: .seconds(2))
            #expect(await code { try await client.read(atMost: 1) } == .connectionReset)
            try await ends.reaches(1)
            await client.close()
        }
    }

    @Test("who takes slowly what was written is not idle; who takes nothing is")
    func slowReader() async throws {
        let ends = Tally()
        // More than the buffers of any kernel hold.
        let bytes = [UInt8](repeating: 7, count: 24 << 20)
        try await withServer(ServeLimits(idleTime: .seconds(60))) { connection in
            do { try await connection.write(bytes) } catch let error as EndpointError {
                if error.code == .timedOut { ends.add() }
                throw error
            }
        } _: { listener, driver, listening in
            func advance() async {
                driver.advance(by: .seconds(61))
                // Two turns of the loop: in the first timers fire.
                for _ in 0..<2 { _ = await listener.loop.census() }
            }
            let client = try await listening.connect()
            for _ in 0..<10 {
                // Less than what has the kernel call the socket writable again.
                _ = try await client.read(exactly: 1 << 19)
                await advance()
            }
            #expect(ends.value == 0)
            for _ in 0..<2 { await advance() }
            try await ends.reaches(1)
            await client.close()
        }
    }

    @Test("a connection ends when its total time is over, however busy it is")
    func total() async throws {
        let ends = Tally()
        let limits = ServeLimits(totalTime: .seconds(600))
        try await withServer(limits) { connection in
            do { try await echo(connection) } catch let error as EndpointError {
                if error.code == .timedOut { ends.add() }
                throw error
            }
        } _: { _, driver, listening in
            let client = try await listening.connect()
            for byte in UInt8(0)..<10 {
                try await client.write([byte])
                #expect(try await client.read(exactly: 1) == [byte])
                driver.advance(by: .seconds(59))
            }
            let other = try await listening.connect()
            try await other.write([1])
            #expect(try await other.read(exactly: 1) == [1])
            driver.advance(by: .seconds(11))
            #expect(await code { try await client.read(atMost: 1) } == .connectionReset)
            try await ends.reaches(1)
            try await other.write([2])
            #expect(try await other.read(exactly: 1) == [2], "it came later")
            await client.close()
            await other.close()
        }
    }

    @Test("the total time counts for what a connection has become, too")
    func totalAfterUpgrade() async throws {
        let limits = ServeLimits(idleTime: .seconds(3600), totalTime: .seconds(600))
        try await withServer(limits) { connection in
            let upgraded = try connection.replaceTransport { $0 }
            #expect(upgraded.idleTimeout == .seconds(3600))
            try await upgraded.write([1])
            _ = try await upgraded.read(atMost: 1)
        } _: { _, driver, listening in
            let client = try await listening.connect()
            #expect(try await client.read(exactly: 1) == [1])
            driver.advance(by: .seconds(601))
            #expect(await code { try await client.read(atMost: 1) } == .connectionReset)
            await client.close()
        }
    }

    @Test("no timer is left when a connection has ended")
    func noTimerLeft() async throws {
        let limits = ServeLimits(idleTime: .seconds(60), totalTime: .seconds(600))
        try await withServer(limits, handler: echo) { listener, _, listening in
            for _ in 0..<5 {
                let client = try await listening.connect()
                try await client.write([1])
                #expect(try await client.read(exactly: 1) == [1])
                await client.close()
            }
            while await listener.loop.census().timers > 0 { await Task.yield() }
        }
    }

    @Test("one source connects no more often than it may; the rest is reset and reported")
    func rate() async throws {
        let limits = ServeLimits(sourceRate: SourceRate(perSecond: 0.001, burst: 3))
        try await withServer(limits, handler: echo) { listener, _, listening in
            var events = listener.events.makeAsyncIterator()
            for turn in 0..<5 {
                // A reset may come while it connects.
                let answer = try? await answer(listening)
                #expect((answer == [1]) == (turn < 3))
            }
            var refused = 0
            while refused < 2, let event = await events.next() {
                guard case .failed(let peer, let error) = event else { continue }
                refused += 1
                #expect(peer?.ip == "127.0.0.1")
                #expect((error as? EndpointError)?.code == .rateExceeded)
            }
        }
    }

    @Test("a source's rate is looked at before the handshake")
    func rateBeforeStages() async throws {
        let limits = ServeLimits(sourceRate: SourceRate(perSecond: 0.001, burst: 2))
        let begun = Tally()
        let stage: @Sendable (Connection) async throws -> Connection = { connection in
            begun.add()
            return connection
        }
        try await withServer(limits, preparing: stage, handler: echo) { _, _, listening in
            for turn in 0..<4 {
                let answer = try? await answer(listening)
                #expect((answer == [1]) == (turn < 2))
            }
            #expect(begun.value == 2)
        }
    }

    @Test("behind a proxy the source is the one that the header names")
    func rateBehindProxy() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let context = EndpointContext(loops: group, logger: quietLogger)
        let server = try serverFromString("haproxy:tcp:0:interface=127.0.0.1")
        let listener = try await server.listen(in: context)
        let limits = ServeLimits(sourceRate: SourceRate(perSecond: 0.001, burst: 1))
        let serving = Task { try await listener.serve(limits: limits, echo) }
        let listening = Listening(listener: listener, context: context)
        for (source, isServed) in [("192.0.2.1", true), ("192.0.2.2", true), ("192.0.2.1", false)] {
            let client = try await listening.connect()
            try await client.write("PROXY TCP4 \(source) 192.0.2.9 1000 80\r\n".utf8)
            let answer = try? await answer(client)
            #expect((answer == [1]) == isServed)
        }
        serving.cancel()
        _ = await serving.result
        await group.shutdown()
    }

    @Test(
        "as many handshakes at once as was said: one more pushes out the oldest, after a second",
        arguments: [1, 3]
    )
    func handshakes(limit: Int) async throws {
        let limits = ServeLimits(handshakes: limit)
        let begun = Tally()
        let stage: @Sendable (Connection) async throws -> Connection = { connection in
            begun.add()
            _ = try await connection.read(exactly: 1)
            return connection
        }
        try await withServer(limits, preparing: stage, handler: echo) { _, driver, listening in
            var silent: [Connection] = []
            for number in 1...limit {
                silent.append(try await listening.connect())
                try await begun.reaches(number)
            }
            silent.append(try await listening.connect())
            driver.advance(by: .seconds(1))
            try await begun.reaches(limit + 1)
            #expect(await code { try await silent[0].read(atMost: 1) } == .connectionReset)
            for client in silent.dropFirst() {
                try await client.write([0, 1])
                #expect(try await client.read(exactly: 1) == [1])
            }
            for client in silent { await client.close() }
        }
    }

    private func answer(_ listening: Listening) async throws -> [UInt8] {
        try await answer(await listening.connect())
    }

    private func answer(_ client: Connection) async throws -> [UInt8] {
        defer { client.abort() }
        try await client.write([1])
        return try await client.read(exactly: 1)
    }
}
