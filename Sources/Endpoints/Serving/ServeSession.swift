// Handlers end on other loops than the listener's, so their number is kept behind a lock, taken once
// when a connection opens and once when it closes.

import EventLoop

/// One call of `serve`, and its live connections.
final class ServeSession: Sendable {
    private struct State {
        var live: [ObjectIdentifier: Connection] = [:]
        var mustEnd = false
        var isAbandoned = false
        var ended = 0
    }
    private let state = Lock(State())
    private let loop: EventLoop
    private let limit: Int
    let limits: ServeLimits
    let sources: SourceGuard?
    /// Where the scope's task waits for a free place, and later for the end.
    ///
    /// On the loop.
    let gate: Gate

    init(_ limits: ServeLimits, on loop: EventLoop) {
        self.limits = limits
        limit = max(limits.connections, 1)
        sources = limits.sourceRate.map(SourceGuard.init)
        self.loop = loop
        gate = Gate(loop)
    }

    var liveCount: Int { state.withLock { $0.live.count } }
    var endedCount: Int { state.withLock { $0.ended } }
    var isFull: Bool { state.withLock { $0.live.count >= limit } }
    /// Whether the handlers are to be cancelled rather than waited for.
    var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

    func insert(_ connection: Connection) {
        state.withLock { $0.live[ObjectIdentifier(connection)] = connection }
    }

    func remove(_ connection: Connection) {
        let wakes = state.withLock { state in
            let wasFull = state.live.count >= limit
            state.live.removeValue(forKey: ObjectIdentifier(connection))
            state.ended += 1
            return wasFull || (state.mustEnd && state.live.isEmpty)
        }
        if wakes { wake() }
    }

    /// From now on the last handler's end wakes the scope's task.
    func awaitEnd() { state.withLock { $0.mustEnd = true } }

    /// Resets what is left and has the handlers cancelled; answers how many had ended before, and how
    /// many there were: taken at once, so that none is counted twice.
    func abandon() -> (ended: Int, aborted: Int) {
        let (rest, ended) = state.withLock { state in
            state.isAbandoned = true
            return (Array(state.live.values), state.ended)
        }
        for connection in rest { connection.abort() }
        wake()
        return (ended, rest.count)
    }

    /// Wakes the handlers, which are cancelled, wherever they wait.
    func cancelHandlers() {
        for connection in state.withLock({ Array($0.live.values) }) {
            connection.loop.run { connection.noteCancellation() }
        }
    }

    func wake() {
        loop.run {
            if let job = self.gate.open() { self.loop.append(job) }
        }
    }
}
