import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// The client as a whole, under callers, peers and time that do what chance says.
@Suite("Reconnecting client: random walks", .timeLimit(.minutes(2)))
struct ReconnectingWalkTests {
    @Test(
        "one connection at most, every one closed, nothing after stopped",
        arguments: 0..<40 as Range<UInt64>
    )
    func walk(seed: UInt64) async {
        var random = SplitMix(seed: seed)
        let it = Setting(
            ScriptedSource(ignoresCancellation: seed % 2 == 0),
            retry: .constant(.seconds(2))
        )
        let world = Lock(World())
        let collector = Task {
            while !Task.isCancelled {
                let attempt = await it.source.nextAttempt()
                world.withLock { $0.attempts.append(attempt) }
            }
        }
        var callers: [Task<Void, Never>] = []
        for _ in 0..<300 {
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1: await it.client.start()
            case 2:
                let limit = Duration.seconds(Int.random(in: 0..<9, using: &random))
                callers.append(Task { await it.client.stop(within: limit) })
            case 3:
                let limit = Int.random(in: 1..<4, using: &random)
                callers.append(
                    Task { _ = try? await it.client.whenConnected(failAfterFailures: limit) }
                )
            case 4: callers.append(Task { for await _ in it.client.connections {} })
            case 5: callers.append(Task { try? await it.client.run() })
            case 6: callers.randomElement(using: &random)?.cancel()
            case 7, 8: it.clock.advance(by: .milliseconds(Int.random(in: 1..<3000, using: &random)))
            default: world.withLock { $0.act(it.source, using: &random) }
            }
            for _ in 0..<Int.random(in: 0..<20, using: &random) { await Task.yield() }
        }
        let stopped = Promise<Void>()
        let stop = Task {
            for caller in callers { caller.cancel() }
            for caller in callers { await caller.value }
            await it.client.stop(within: .zero)
            stopped.fulfil(())
        }
        while !stopped.isFulfilled {
            world.withLock { $0.act(it.source, using: &random) }
            it.clock.advance(by: .milliseconds(100))
            await Task.yield()
        }
        await stop.value
        // A stop may leave an attempt behind that ignores its cancellation; until it is over.
        while await it.client.state.description != "stopped" {
            world.withLock { $0.act(it.source, using: &random) }
            it.clock.advance(by: .milliseconds(100))
            await Task.yield()
        }
        let attempts = it.source.counts.attempts
        it.clock.advance(by: .seconds(1000))
        for _ in 0..<100 { await Task.yield() }
        #expect(it.source.counts.attempts == attempts, "nothing after stopped")
        #expect(it.source.counts.mostAttemptsAtOnce <= 1)
        #expect(await it.client.waitingForInstance == 0)
        #expect(await it.client.waitingForNews == 0)
        await it.finish()
        collector.cancel()
        await collector.value
    }

    /// What is under way outside the client.
    private struct World {
        var attempts: [ScriptedSource.Attempt] = []
        var connections: [ScriptedConnection] = []

        /// Something happens: an attempt or a preparation ends, a peer goes, a closing ends.
        mutating func act(_ source: ScriptedSource, using random: inout SplitMix) {
            if let attempt = attempts.popLast() {
                if Bool.random(using: &random) { return attempt.fail() }
                let connection = source.open(attempt.number, closes: Bool.random(using: &random))
                if Bool.random(using: &random) { connection.ignoreCancellation() }
                connections.append(connection)
                return attempt.outcome.fulfil(.success(connection))
            }
            guard let connection = connections.randomElement(using: &random) else { return }
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1: connection.preparation.fulfil(.success(()))
            case 2: connection.preparation.fulfil(.failure(ScriptedSource.Refused("no")))
            case 3: connection.end.fulfil(.peerClosed)
            default: if connection.closeBegan.isFulfilled { connection.finishClosing() }
            }
        }
    }
}
