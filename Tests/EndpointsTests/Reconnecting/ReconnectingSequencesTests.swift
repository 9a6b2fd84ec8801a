import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Reconnecting client: connections and states", .timeLimit(.minutes(1)))
struct ReconnectingSequencesTests {
    @Test("every consumer gets the current instance, then every newer one")
    func consumers() async throws {
        let it = Setting()
        await it.client.start()
        let first = await it.source.connectNext()
        _ = try await it.client.whenConnected()
        let consumers = (0..<3).map { _ in
            Task {
                var seen: [Int] = []
                for await connection in it.client.connections { seen.append(connection.number) }
                return seen
            }
        }
        await it.hasConsumers(3)
        first.end.fulfil(.peerClosed)
        await it.passWait()
        await it.source.connectNext()
        _ = try await it.client.whenConnected()
        await it.hasConsumers(3)
        await it.client.stop()
        for consumer in consumers { #expect(await consumer.value == [1, 2]) }
        await it.finish()
    }

    @Test("a slow consumer skips what is dead and delays nobody")
    func slow() async throws {
        let it = Setting()
        await it.client.start()
        let first = await it.source.connectNext()
        var slow = it.client.connections.makeAsyncIterator()
        #expect(await slow.next() === first)
        first.end.fulfil(.peerClosed)
        for _ in 2...4 {
            await it.passWait()
            let dead = await it.source.connectNext()
            #expect(try await it.client.whenConnected() === dead)
            dead.end.fulfil(.peerClosed)
        }
        await it.passWait()
        let fifth = await it.source.connectNext()
        _ = try await it.client.whenConnected()
        #expect(await slow.next() === fifth)
        await it.finish()
    }

    @Test("one who iterates before the start waits for the first instance")
    func early() async {
        let it = Setting()
        async let first = { await it.client.connections.first { _ in true } }()
        await it.hasConsumers(1)
        await it.client.start()
        let connection = await it.source.connectNext()
        #expect(await first === connection)
        await it.finish()
    }

    @Test("a stop ends the iteration, even if the client was started again meanwhile")
    func ends() async throws {
        let it = Setting()
        await it.client.start()
        await it.source.connectNext()
        var slow = it.client.connections.makeAsyncIterator()
        _ = await slow.next()
        await it.client.stop()
        await it.client.start()
        await it.source.connectNext()
        _ = try await it.client.whenConnected()
        #expect(await slow.next() == nil)
        await it.finish()
        #expect(await it.client.connections.first { _ in true } == nil)
    }

    @Test("cancelling a consumer ends its iteration alone", .tags(.cancellation))
    func cancelled() async {
        let it = Setting()
        let one = Task { for await _ in it.client.connections {} }
        let two = Task { for await _ in it.client.states {} }
        await it.hasConsumers(2)
        one.cancel()
        two.cancel()
        await one.value
        await two.value
        await it.hasConsumers(0)
        await it.client.start()
        await it.source.connectNext()
        await it.finish()
    }

    @Test("the states of a life, from when the sequence was asked for")
    func states() async throws {
        let it = Setting(retry: .exponential(jitter: .zero))
        let states = it.client.states
        await it.client.start()
        await it.source.nextAttempt().fail()
        await it.passWait(.seconds(1.5))
        let connection = await it.source.connectNext()
        _ = try await it.client.whenConnected()
        connection.end.fulfil(.peerClosed)
        await it.passWait(.seconds(1.5))
        await it.source.connectNext()
        _ = try await it.client.whenConnected()
        await it.client.stop()
        var seen: [String] = []
        for await state in states { seen.append("\(state)") }
        #expect(
            seen == [
                "idle",
                "connecting, attempt 1",
                "waiting for 1.5 seconds after refused",
                "connecting, attempt 2",
                "connected",
                "waiting for 1.5 seconds",
                "connecting, attempt 1",
                "connected",
                "stopping",
                "stopped",
            ]
        )
        var late: [String] = []
        for await state in it.client.states { late.append("\(state)") }
        #expect(late == ["stopped"])
    }

    @Test("one who is far behind misses the oldest states, and nothing grows")
    func manyStates() async {
        let it = Setting(retry: .constant(.zero))
        var iterator = it.client.states.makeAsyncIterator()
        #expect(await iterator.next()?.description == "idle")
        await it.client.start()
        for _ in 0..<50 { await it.source.nextAttempt().fail() }
        _ = await it.source.nextAttempt()
        await it.client.stop()
        var count = 0
        while await iterator.next() != nil { count += 1 }
        #expect(count == ScriptedClient.recentStatesLimit)
        #expect(await it.client.recentStates.count == ScriptedClient.recentStatesLimit)
        await it.finish()
    }

    @Test("last error, attempts and the next attempt can be asked for")
    func observables() async throws {
        let it = Setting()
        #expect(await it.client.nextAttempt == nil)
        await it.client.start()
        #expect(await it.client.attempts == 1)
        await it.source.nextAttempt().fail("down")
        await it.clock.whenSleeping(for: .seconds(7))
        it.clock.advance(by: .seconds(3))
        #expect(await it.client.nextAttempt == .seconds(4))
        #expect(await it.client.lastError as? ScriptedSource.Refused == .init("down"))
        it.clock.advance(by: .seconds(4))
        await it.source.connectNext()
        _ = try await it.client.whenConnected()
        #expect(await it.client.attempts == 0)
        #expect(await it.client.nextAttempt == nil)
        #expect("\(it.client)" == "scripted")
        await it.finish()
    }
}
