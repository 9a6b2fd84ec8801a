import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Reconnecting client: retry", .timeLimit(.minutes(1)))
struct ReconnectingRetryTests {
    @Test("a failed attempt is made again after the wait, which grows")
    func failures() async {
        let it = Setting(retry: .exponential(jitter: .zero))
        await it.client.start()
        for delay in [1.5, 2.25, 3.375] {
            await it.source.nextAttempt().fail()
            await it.passWait(.seconds(delay))
        }
        _ = await it.source.nextAttempt()
        #expect(await it.client.attempts == 4)
        await it.finish()
    }

    @Test("a lost connection is made again, and counts as the first failure")
    func loss() async throws {
        let it = Setting(retry: .exponential(jitter: .zero))
        await it.client.start()
        for _ in 0..<3 {
            let connection = await it.source.connectNext()
            #expect(try await it.client.whenConnected() === connection)
            connection.end.fulfil(.peerClosed)
            await it.passWait(.seconds(1.5))
        }
        await it.finish()
    }

    @Test("a lost connection stays open for its last bytes, and is closed before the next attempt")
    func lingering() async throws {
        let it = Setting()
        await it.client.start()
        let old = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        old.end.fulfil(.peerClosed)
        await it.clock.whenSleeping(for: .seconds(7))
        #expect(!old.closeBegan.isFulfilled)
        it.clock.advance(by: .seconds(7))
        await old.closeBegan.value
        #expect(it.source.counts.attempts == 1)
        // It does not close: after a second it is reset.
        await it.passWait(.seconds(1))
        await it.source.connectNext()
        #expect(old.aborted.isFulfilled)
        await it.finish()
    }

    @Test("stop during the wait closes the lost connection")
    func stopLingering() async throws {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext()
        _ = try await it.client.whenConnected()
        connection.end.fulfil(.peerClosed)
        await it.clock.whenSleeping(for: .seconds(7))
        await it.client.stop()
        #expect(connection.closed.isFulfilled)
        await it.finish()
    }

    @Test(
        "a preparation that throws is a failed attempt, and its connection is closed before the wait"
    )
    func preparationFails() async {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext(prepare: false)
        connection.preparation.fulfil(.failure(ScriptedSource.Refused("password")))
        await it.clock.whenSleeping(for: .seconds(7))
        #expect(connection.closed.isFulfilled)
        #expect(await it.client.state.description == "waiting for 7.0 seconds after password")
        await it.finish()
    }

    @Test("a connection lost while it is prepared: cancelled, one failure, wait, closed")
    func lostWhilePreparing() async {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext(prepare: false)
        await connection.preparationBegan.value
        let instance = Task { try await it.client.whenConnected(failAfterFailures: 1) }
        await it.hasWaiters(1)
        connection.end.fulfil(.peerClosed)
        await #expect(throws: EndpointError.self) { try await instance.value }
        #expect((await it.client.lastError as? EndpointError)?.code == .unexpectedEnd)
        await connection.closed.value
        #expect(connection.preparationWasCancelled.isFulfilled)
        await it.passWait()
        await it.source.connectNext()
        await it.finish()
    }

    @Test(
        "a lost preparation that ignores its cancellation delays the next attempt until it is gone"
    )
    func stubbornPreparation() async throws {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext(prepare: false)
        connection.ignoreCancellation()
        await connection.preparationBegan.value
        connection.end.fulfil(.truncated)
        await it.passWait()
        #expect(it.source.counts.attempts == 1)
        connection.preparation.fulfil(.success(()))
        let next = await it.source.connectNext()
        #expect(try await it.client.whenConnected() === next)
        #expect(connection.closed.isFulfilled)
        await it.finish()
    }

    @Test("any error of an attempt is a failed attempt, a cancellation that nobody asked for too")
    func oddError() async {
        let it = Setting()
        await it.client.start()
        await it.source.nextAttempt().outcome.fulfil(.failure(CancellationError()))
        await it.passWait()
        await it.source.connectNext()
        await it.finish()
    }

    @Test("a connection that dies young is backed off from, with resetAfter")
    func flapping() async throws {
        var retry = RetryPolicy.exponential(jitter: .zero)
        retry.resetAfter = .seconds(10)
        let it = Setting(retry: retry)
        await it.client.start()
        for (lifetime, delay) in [(9, 1.5), (0, 2.25), (9, 3.375), (10, 1.5), (1, 2.25)] {
            let connection = await it.source.connectNext()
            _ = try await it.client.whenConnected()
            it.clock.advance(by: .seconds(lifetime))
            connection.end.fulfil(.peerClosed)
            await it.passWait(.seconds(delay))
        }
        await it.finish()
    }

    @Test("the policy is asked once a wait")
    func policyCalls() async {
        let calls = Promise<Int>()
        let it = Setting(
            retry: .custom { failures in
                calls.fulfil(failures)
                return .seconds(failures)
            }
        )
        await it.client.start()
        await it.source.nextAttempt().fail()
        await it.passWait(.seconds(1))
        await it.source.nextAttempt().fail()
        await it.clock.whenSleeping(for: .seconds(2))
        #expect(await calls.value == 1)
        await it.finish()
    }

    @Test("an instance that ends its own connection is a lost connection")
    func closedByUser() async throws {
        let it = Setting()
        await it.client.start()
        let connection = await it.source.connectNext()
        _ = try await it.client.whenConnected()
        connection.finishClosing()
        await it.passWait()
        await it.source.connectNext()
        await it.finish()
    }
}
