import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Reconnecting client: whenConnected", .timeLimit(.minutes(1)))
struct WhenConnectedTests {
    @Test("all who wait get the same instance, those that had begun to count too")
    func together() async throws {
        let it = Setting()
        let early = Task { try await it.client.whenConnected() }
        await it.hasWaiters(1)
        await it.client.start()
        let counting = Task { try await it.client.whenConnected(failAfterFailures: 2) }
        await it.hasWaiters(2)
        await it.source.nextAttempt().fail()
        await it.clock.whenSleeping(for: .seconds(7))
        let late = Task { try await it.client.whenConnected(failAfterFailures: 1) }
        await it.hasWaiters(3)
        it.clock.advance(by: .seconds(7))
        let connection = await it.source.connectNext()
        for task in [early, counting, late] { #expect(try await task.value === connection) }
        #expect(try await it.client.whenConnected(failAfterFailures: 1) === connection)
        await it.finish()
    }

    @Test("each counts its own failures, and fails with that attempt's error")
    func ownCounts() async throws {
        let it = Setting()
        await it.client.start()
        let two = Task { try await it.client.whenConnected(failAfterFailures: 2) }
        let any = Task { try await it.client.whenConnected() }
        await it.hasWaiters(2)
        await it.source.nextAttempt().fail("first")
        await it.clock.whenSleeping(for: .seconds(7))
        let one = Task { try await it.client.whenConnected(failAfterFailures: 1) }
        let three = Task { try await it.client.whenConnected(failAfterFailures: 3) }
        await it.hasWaiters(4)
        await it.passWait()
        await it.source.nextAttempt().fail("second")
        await #expect(throws: ScriptedSource.Refused("second")) { try await two.value }
        await #expect(throws: ScriptedSource.Refused("second")) { try await one.value }
        await it.passWait()
        await it.source.nextAttempt().fail("third")
        await it.passWait()
        await it.source.nextAttempt().fail("fourth")
        await #expect(throws: ScriptedSource.Refused("fourth")) { try await three.value }
        await it.passWait()
        let connection = await it.source.connectNext()
        #expect(try await any.value === connection)
        await it.finish()
    }

    @Test("the loss of a connection is no failure of a waiter")
    func lossDoesNotCount() async throws {
        let it = Setting()
        await it.client.start()
        let first = await it.source.connectNext()
        _ = try await it.client.whenConnected()
        first.end.fulfil(.truncated)
        await it.clock.whenSleeping(for: .seconds(7))
        let instance = Task { try await it.client.whenConnected(failAfterFailures: 1) }
        await it.hasWaiters(1)
        it.clock.advance(by: .seconds(7))
        let second = await it.source.connectNext()
        #expect(try await instance.value === second)
        await it.finish()
    }

    @Test("a limit below 1 is refused", arguments: [0, -1, Int.min])
    func badLimit(limit: Int) async {
        let it = Setting()
        let error = await #expect(throws: EndpointError.self) {
            try await it.client.whenConnected(failAfterFailures: limit)
        }
        #expect(error?.code == .invalidArgument)
    }

    @Test("a stopped client has no instance to give")
    func stopped() async {
        let it = Setting()
        await it.client.stop()
        await #expect(throws: CancellationError.self) { try await it.client.whenConnected() }
    }

    @Test("a stop fails all who wait, in a client that was never started too")
    func stopFails() async {
        for isStarted in [false, true] {
            let it = Setting()
            if isStarted { await it.client.start() }
            let one = Task { try await it.client.whenConnected() }
            let two = Task { try await it.client.whenConnected(failAfterFailures: 3) }
            await it.hasWaiters(2)
            await it.client.stop()
            await #expect(throws: CancellationError.self) { try await one.value }
            await #expect(throws: CancellationError.self) { try await two.value }
            await it.finish()
        }
    }

    @Test("who asks while it disconnects gets an instance if it is started again in time")
    func survivesRestart() async throws {
        let it = Setting()
        await it.client.start()
        let old = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        async let stopped: Void = it.client.stop()
        await old.closeBegan.value
        let instance = Task { try await it.client.whenConnected() }
        await it.hasWaiters(1)
        await it.client.start()
        old.finishClosing()
        await stopped
        let new = await it.source.connectNext()
        #expect(try await instance.value === new)
        await it.finish()
    }

    @Test("cancelling one leaves the others waiting, and nothing behind", .tags(.cancellation))
    func cancelled() async throws {
        let it = Setting()
        await it.client.start()
        let one = Task { try await it.client.whenConnected() }
        let other = Task { try await it.client.whenConnected() }
        await it.hasWaiters(2)
        one.cancel()
        await #expect(throws: CancellationError.self) { try await one.value }
        await it.hasWaiters(1)
        let connection = await it.source.connectNext()
        #expect(try await other.value === connection)
        await it.finish()
    }

    @Test("a task that was cancelled before it asks does not wait", .tags(.cancellation))
    func cancelledBefore() async {
        let it = Setting()
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            _ = try await it.client.whenConnected()
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        await it.hasWaiters(0)
    }
}
