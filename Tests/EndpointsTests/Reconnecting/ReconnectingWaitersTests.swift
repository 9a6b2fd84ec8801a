import Testing

@testable import Endpoints

extension Setting {
    /// Returns when that many callers wait for an instance.
    func hasWaiters(_ count: Int) async {
        while await client.waitingForInstance != count { await Task.yield() }
    }

    /// Returns when that many consumers wait for news.
    func hasConsumers(_ count: Int) async {
        while await client.waitingForNews != count { await Task.yield() }
    }
}

extension ReconnectingClient {
    var waitingForInstance: Int {
        waiters.values.count { if case .instance = $0.purpose { true } else { false } }
    }

    var waitingForNews: Int {
        waiters.values.count { if case .news = $0.purpose { true } else { false } }
    }
}

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

@Suite("Reconnecting client: scopes", .timeLimit(.minutes(1)))
struct ReconnectingScopesTests {
    @Test("run starts, stops gently when cancelled, and throws", .tags(.cancellation))
    func runCancelled() async throws {
        let it = Setting()
        let run = Task { try await it.client.run() }
        let connection = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        run.cancel()
        await connection.closeBegan.value
        #expect(!connection.aborted.isFulfilled)
        await it.passWait(.seconds(1))
        await #expect(throws: CancellationError.self) { try await run.value }
        #expect(connection.aborted.isFulfilled)
        await it.finish()
    }

    @Test("run returns when the client is stopped")
    func runStopped() async throws {
        let it = Setting()
        async let run: Void = it.client.run()
        await it.source.connectNext()
        _ = try await it.client.whenConnected()
        await it.client.stop()
        try await run
        await it.finish()
    }

    @Test("a cancelled task does not start to run", .tags(.cancellation))
    func runCancelledBefore() async {
        let it = Setting()
        let run = Task {
            while !Task.isCancelled { await Task.yield() }
            try await it.client.run()
        }
        run.cancel()
        await #expect(throws: CancellationError.self) { try await run.value }
        #expect(it.source.counts.attempts == 0)
    }

    @Test("the scope's end is the client's, whether it returns or throws")
    func scope() async throws {
        for fails in [false, true] {
            let it = Setting()
            async let connected = it.source.connectNext()
            var seen = 0
            let result = Result<Int, ScriptedSource.Refused>.failure(.init("mine"))
            do {
                let returned = try await withStarted(it.client) { client in
                    seen = try await client.whenConnected().number
                    if fails { _ = try result.get() }
                    return 42
                }
                #expect(returned == 42 && !fails)
            } catch let error as ScriptedSource.Refused {
                #expect(error == .init("mine") && fails)
            }
            #expect(seen == 1)
            #expect(await connected.closed.isFulfilled)
            await it.finish()
        }
    }

    @Test("a cancelled scope closes gently, for a second at most", .tags(.cancellation))
    func cancelledScope() async throws {
        let it = Setting()
        let task = Task {
            try await withStarted(it.client) { client in
                for await _ in client.connections {}
                try Task.checkCancellation()
            }
        }
        let connection = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        task.cancel()
        await connection.closeBegan.value
        await it.passWait(.seconds(1))
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(connection.aborted.isFulfilled)
        await it.finish()
    }
}
