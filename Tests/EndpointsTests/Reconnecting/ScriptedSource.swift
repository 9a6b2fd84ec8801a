// A source of connections whose every step is the test's: when an attempt succeeds, when its
// preparation does, when the peer is gone, when the closing is over. It counts what is open.

import EventLoop

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// A value that comes once; whoever waits for it gets it.
final class Promise<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var lastID = 0
    }
    private let state = Lock(State())

    var isFulfilled: Bool { state.withLock { $0.value != nil } }

    /// The first value counts.
    func fulfil(_ value: Value) {
        let waiters = state.withLock { state in
            if state.value == nil { state.value = value }
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in waiters { waiter.resume() }
    }

    /// The value; cancellation does not end the wait.
    var value: Value {
        get async {
            while true {
                if let value = state.withLock({ $0.value }) { return value }
                await wait(id: nil)
            }
        }
    }

    /// The value, or `CancellationError`.
    func valueUnlessCancelled() async throws -> Value {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        await withTaskCancellationHandler {
            await wait(id: id)
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
        guard let value = state.withLock({ $0.value }) else { throw CancellationError() }
        return value
    }

    private func wait(id: Int?) async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.value != nil || id != nil && Task.isCancelled { return true }
                state.lastID += 1
                state.waiters[id ?? state.lastID] = continuation
                return false
            }
            if isDone { continuation.resume() }
        }
    }
}

final class ScriptedSource: Sendable {
    final class Attempt: Sendable {
        let number: Int
        let outcome = Promise<Result<ScriptedConnection, any Error>>()
        let wasCancelled = Promise<Void>()

        init(number: Int) { self.number = number }

        func fail(_ message: String = "refused") { outcome.fulfil(.failure(Refused(message))) }
    }

    struct Refused: Error, Equatable, CustomStringConvertible {
        var description: String
        init(_ description: String) { self.description = description }
    }

    struct Counts: Equatable {
        var attempts = 0
        var opened = 0
        var closed = 0
        var mostAtOnce = 0
        var attemptsAtOnce = 0
        var mostAttemptsAtOnce = 0
    }

    /// Whether an attempt goes on when it is cancelled.
    let ignoresCancellation: Bool
    private let counters = Lock(Counts())
    private let attempts: AsyncStream<Attempt>
    private let begun: AsyncStream<Attempt>.Continuation

    init(ignoresCancellation: Bool = false) {
        self.ignoresCancellation = ignoresCancellation
        (attempts, begun) = AsyncStream.makeStream()
    }

    var counts: Counts { counters.withLock { $0 } }

    /// The next attempt that the client makes.
    func nextAttempt() async -> Attempt {
        for await attempt in attempts { return attempt }
        return Attempt(number: 0)
    }

    /// The next attempt succeeds, and so does its preparation, unless it is left to the test.
    @discardableResult
    func connectNext(prepare: Bool = true, closes: Bool = true) async -> ScriptedConnection {
        let attempt = await nextAttempt()
        let connection = open(attempt.number, closes: closes)
        if prepare { connection.preparation.fulfil(.success(())) }
        attempt.outcome.fulfil(.success(connection))
        return connection
    }

    /// A new connection, which counts as open when the client has it.
    func open(_ number: Int, closes: Bool = true) -> ScriptedConnection {
        ScriptedConnection(number: number, closes: closes) { [counters] in
            counters.withLock { $0.closed += 1 }
        }
    }

    var source: ReconnectingSource<ScriptedConnection> {
        ReconnectingSource(name: "scripted") { [self] in
            let attempt = counters.withLock { counts in
                counts.attempts += 1
                counts.attemptsAtOnce += 1
                counts.mostAttemptsAtOnce = max(counts.mostAttemptsAtOnce, counts.attemptsAtOnce)
                return Attempt(number: counts.attempts)
            }
            defer { counters.withLock { $0.attemptsAtOnce -= 1 } }
            begun.yield(attempt)
            return try await withTaskCancellationHandler {
                let outcome =
                    ignoresCancellation
                    ? await attempt.outcome.value
                    : try await attempt.outcome.valueUnlessCancelled()
                let connection = try outcome.get()
                counters.withLock { counts in
                    counts.opened += 1
                    counts.mostAtOnce = max(counts.mostAtOnce, counts.opened - counts.closed)
                }
                return connection.opened
            } onCancel: {
                attempt.wasCancelled.fulfil(())
            }
        }
    }
}

final class ScriptedConnection: Sendable {
    let number: Int
    let preparation = Promise<Result<Void, any Error>>()
    let preparationBegan = Promise<Void>()
    let preparationWasCancelled = Promise<Void>()
    let end = Promise<ConnectionEnd>()
    let closeBegan = Promise<Void>()
    let closed = Promise<Void>()
    let aborted = Promise<Void>()
    private let closes: Bool
    private let ignoresCancellation = Lock(false)
    private let onClose: Lock<(@Sendable () -> Void)?>

    /// `closes`: by itself when asked to, and not when the test says so.
    init(number: Int, closes: Bool, onClose: @escaping @Sendable () -> Void) {
        self.number = number
        self.closes = closes
        self.onClose = Lock(onClose)
    }

    /// From now on the preparation goes on when it is cancelled.
    func ignoreCancellation() { ignoresCancellation.withLock { $0 = true } }

    func finishClosing() {
        let onClose = onClose.withLock { onClose in
            defer { onClose = nil }
            return onClose
        }
        onClose?()
        end.fulfil(.closed)
        closed.fulfil(())
    }

    var opened: ReconnectingSource<ScriptedConnection>.Opened {
        ReconnectingSource.Opened(
            prepare: { [self] in
                preparationBegan.fulfil(())
                return try await withTaskCancellationHandler {
                    if ignoresCancellation.withLock({ $0 }) {
                        try await preparation.value.get()
                    } else {
                        try await preparation.valueUnlessCancelled().get()
                    }
                    return self
                } onCancel: {
                    preparationWasCancelled.fulfil(())
                }
            },
            ended: { [self] in try await end.valueUnlessCancelled() },
            close: { [self] in
                closeBegan.fulfil(())
                // As API.md has it: a cancelled close aborts.
                if Task.isCancelled { aborted.fulfil(()) }
                if closes || Task.isCancelled { finishClosing() }
                await closed.value
            },
            abort: { [self] in
                aborted.fulfil(())
                finishClosing()
            }
        )
    }
}
