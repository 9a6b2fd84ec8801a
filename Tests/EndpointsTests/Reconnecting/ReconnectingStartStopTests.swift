import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Reconnecting client: start and stop", .timeLimit(.minutes(1)))
struct ReconnectingStartStopTests {
    @Test("start attempts at once")
    func start() async throws {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext()
        #expect(try await it.client.whenConnected() === connection)
        #expect(it.clock.now.offset == .zero)
        await it.finish()
    }

    @Test("a second start changes nothing, in any state")
    func startTwice() async throws {
        let it = Setting()
        await it.client.start()
        await it.client.start()
        await it.source.nextAttempt().fail()
        await it.clock.whenSleeping(for: .seconds(7))
        await it.client.start()
        await it.clock.whenSleeping(for: .seconds(7))
        it.clock.advance(by: .seconds(7))
        await it.source.connectNext()
        _ = try await it.client.whenConnected()
        await it.client.start()
        #expect(it.source.counts.attempts == 2)
        await it.finish()
    }

    @Test("stop returns when the connection has closed")
    func stopConnected() async throws {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        async let stopped: Void = it.client.stop()
        await connection.closeBegan.value
        #expect(await it.client.state.description == "stopping")
        connection.finishClosing()
        await stopped
        #expect(await it.client.state.description == "stopped")
        #expect(!connection.aborted.isFulfilled)
        await it.finish()
    }

    @Test("a connection that does not close in time is reset")
    func stopDeadline() async throws {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        async let stopped: Void = it.client.stop(within: .seconds(5))
        await it.clock.whenSleeping(for: .seconds(5))
        it.clock.advance(by: .milliseconds(4999))
        #expect(!connection.aborted.isFulfilled)
        it.clock.advance(by: .milliseconds(1))
        await stopped
        #expect(connection.aborted.isFulfilled)
        await it.finish()
    }

    @Test("stop gives the connection 30 seconds unless told")
    func stopDefault() async throws {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        async let stopped: Void = it.client.stop()
        await it.clock.whenSleeping(for: .seconds(30))
        it.clock.advance(by: .seconds(30))
        await stopped
        #expect(connection.aborted.isFulfilled)
    }

    @Test("every stop waits, and the shortest limit counts for all")
    func stops() async throws {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        async let first: Void = it.client.stop(within: .seconds(9))
        async let second: Void = it.client.stop(within: .seconds(3))
        await it.clock.whenSleepers { $0.count == 2 }
        it.clock.advance(by: .seconds(3))
        await first
        await second
        #expect(connection.aborted.isFulfilled)
        await it.finish()
    }

    @Test("a cancelled stop resets the connection", .tags(.cancellation))
    func cancelledStop() async throws {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        let stop = Task { await it.client.stop() }
        await connection.closeBegan.value
        stop.cancel()
        await stop.value
        #expect(connection.aborted.isFulfilled)
        await it.finish()
    }

    @Test("stop during an attempt cancels it and returns when it is gone")
    func stopConnecting() async {
        let it = Setting()
        await it.client.start()
        let attempt = await it.source.nextAttempt()
        await it.client.stop()
        #expect(attempt.wasCancelled.isFulfilled)
        await it.finish()
    }

    @Test("an attempt that succeeds after the stop is closed and shown to nobody")
    func lateSuccess() async {
        let it = Setting(ScriptedSource(ignoresCancellation: true))
        await it.client.start()
        let attempt = await it.source.nextAttempt()
        async let instance = try? it.client.whenConnected()
        async let stopped: Void = it.client.stop()
        await attempt.wasCancelled.value
        let connection = it.source.open(1)
        connection.preparation.fulfil(.success(()))
        attempt.outcome.fulfil(.success(connection))
        await stopped
        #expect(!connection.preparationBegan.isFulfilled)
        #expect(await instance == nil)
        #expect(connection.closed.isFulfilled)
        await it.finish()
    }

    @Test("stop during the preparation cancels it and closes the connection")
    func stopPreparing() async {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext(prepare: false)
        await connection.preparationBegan.value
        await it.client.stop()
        #expect(connection.preparationWasCancelled.isFulfilled)
        #expect(connection.closed.isFulfilled)
        #expect(!connection.aborted.isFulfilled, "closed in order")
        await it.finish()
    }

    @Test("a preparation that succeeds after the stop is closed and shown to nobody")
    func latePreparation() async {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext(prepare: false)
        connection.ignoreCancellation()
        await connection.preparationBegan.value
        async let instance = try? it.client.whenConnected()
        async let stopped: Void = it.client.stop()
        await it.reaches(it.isStopping)
        connection.preparation.fulfil(.success(()))
        await stopped
        #expect(await instance == nil)
        #expect(connection.closed.isFulfilled)
        await it.finish()
    }

    @Test("a preparation that ignores its cancellation is left behind at the deadline")
    func stubbornPreparation() async {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext(prepare: false)
        connection.ignoreCancellation()
        await connection.preparationBegan.value
        async let stopped: Void = it.client.stop(within: .seconds(5))
        await it.clock.whenSleeping(for: .seconds(5))
        it.clock.advance(by: .seconds(5))
        await stopped
        #expect(connection.aborted.isFulfilled)
        #expect(await it.client.state.description == "stopping")
        connection.preparation.fulfil(.success(()))
        await it.reaches { if case .stopped = $0 { true } else { false } }
        await it.finish()
    }

    @Test("stop during the wait is done at once")
    func stopWaiting() async {
        let it = Setting()
        await it.client.start()
        await it.source.nextAttempt().fail()
        await it.clock.whenSleeping(for: .seconds(7))
        await it.client.stop()
        #expect(it.source.counts.attempts == 1)
        await it.finish()
    }

    @Test("stop before start is done at once, and a start still works")
    func stopFirst() async throws {
        let it = Setting()
        await it.client.stop()
        #expect(await it.client.state.description == "stopped")
        await it.client.stop()
        await it.client.start()
        let connection = await it.source.connectNext()
        #expect(try await it.client.whenConnected() === connection)
        await it.finish()
    }

    @Test("a restart waits until the old connection is gone, and the first stop returns then")
    func restart() async throws {
        let it = Setting()
        await it.client.start()
        let old = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        let stopped = Promise<Void>()
        let stop = Task {
            await it.client.stop()
            stopped.fulfil(())
        }
        await old.closeBegan.value
        await it.client.start()
        #expect(await it.client.state.description == "stopping")
        #expect(!stopped.isFulfilled && it.source.counts.attempts == 1)
        old.finishClosing()
        await stop.value
        let new = await it.source.connectNext()
        #expect(try await it.client.whenConnected() === new)
        await it.finish()
    }

    @Test("stop, start, stop: both stops return when it is gone, and it stays stopped")
    func stopStartStop() async throws {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        async let first: Void = it.client.stop()
        await connection.closeBegan.value
        await it.client.start()
        async let second: Void = it.client.stop()
        await it.clock.whenSleepers { $0.count == 2 }
        connection.finishClosing()
        await first
        await second
        #expect(await it.client.state.description == "stopped")
        #expect(it.source.counts.attempts == 1)
        await it.finish()
    }

    @Test("a client can be stopped from where its instance is used")
    func stopFromInside() async {
        let it = Setting()
        await it.client.start()
        await it.source.connectNext()
        var seen = 0
        for await _ in it.client.connections {
            seen += 1
            await it.client.stop()
        }
        #expect(seen == 1)
        await it.finish()
    }
}
