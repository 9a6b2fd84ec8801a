// Handlers end on other loops than the listener's, so their number is kept behind a lock, taken once
// when a connection opens and once when it closes.

import EventLoop
import Synchronization

/// One call of `serve`, and its live connections.
final class ServeSession: Sendable {
    private struct State {
        var live: [ObjectIdentifier: Connection] = [:]
        var mustEnd = false
        /// Handlers that ended by themselves.
        var finished = 0
        /// Those that ended after the session was abandoned.
        var aborted = 0
    }
    private let state = Lock(State())
    /// Set under the lock; read without it where one late look does no harm.
    private let hasBeenAbandoned = Atomic<Bool>(false)
    private let loop: EventLoop
    private let limit: Int
    let limits: ServeLimits
    let sources: SourceGuard?
    /// Where the scope's task waits for a free place, and later for the end.
    ///
    /// On the loop.
    let gate: Gate

    init(_ limits: ServeLimits, of listener: Listener) {
        self.limits = limits
        limit = max(limits.connections, 1)
        sources = limits.sourceRate.map(SourceGuard.init)
        loop = listener.loop
        gate = Gate(loop, of: listener)
    }

    var liveCount: Int { state.withLock { $0.live.count } }
    var isFull: Bool { state.withLock { $0.live.count >= limit } }
    /// Whether the handlers are to be cancelled rather than waited for; then no handler starts any more.
    var isAbandoned: Bool { hasBeenAbandoned.load(ordering: .acquiring) }

    /// Counts a connection whose handler is about to start.
    ///
    /// - Returns: Whether it may; not after ``abandon()``.
    func insert(_ connection: Connection) -> Bool {
        state.withLock { state in
            if isAbandoned { return false }
            state.live[ObjectIdentifier(connection)] = connection
            return true
        }
    }

    func remove(_ connection: Connection) {
        let wakes = state.withLock { state in
            let wasFull = state.live.count >= limit
            state.live.removeValue(forKey: ObjectIdentifier(connection))
            if isAbandoned { state.aborted += 1 } else { state.finished += 1 }
            return wasFull || (state.mustEnd && state.live.isEmpty)
        }
        if wakes { wake() }
    }

    /// From now on the last handler's end wakes the scope's task.
    func awaitEnd() { state.withLock { $0.mustEnd = true } }

    /// How many handlers have ended until now.
    var result: DrainResult {
        state.withLock { DrainResult(finished: $0.finished, aborted: $0.aborted) }
    }

    /// Resets what is left and has the handlers cancelled; answers how many had finished before, and how
    /// many are aborted by now: taken at once, so that none is counted twice.
    func abandon() -> DrainResult {
        let (rest, result) = state.withLock { state in
            hasBeenAbandoned.store(true, ordering: .releasing)
            let rest = Array(state.live.values)
            let aborted = state.aborted + rest.count
            return (rest, DrainResult(finished: state.finished, aborted: aborted))
        }
        for connection in rest { connection.abort() }
        wake()
        return result
    }

    /// Wakes the handlers, which are cancelled, wherever they wait.
    func cancelHandlers() {
        for connection in state.withLock({ Array($0.live.values) }) {
            connection.loop.run { connection.noteCancellation() }
        }
    }

    package func wake() {
        loop.run {
            if let job = self.gate.open() { self.loop.append(job) }
        }
    }
}
