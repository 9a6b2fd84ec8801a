// A client that comes back closes the connection that it lost when its wait is over, read or not. What
// that one brought must be written first, however slow the reader of our output is, and however short
// the wait. So the client waits by a clock whose sleeps end no sooner.

import Endpoints

/// The connections whose output is not yet written to its end.
final class UnwrittenOutput: Sendable {
    private struct State {
        var count = 0
        var waiters: [AsyncStream<Void>.Continuation] = []
    }
    private let state = Lock(State())

    /// One more connection brings output.
    func begin() { state.withLock { $0.count += 1 } }

    /// One connection's output is written, or nobody takes it.
    func end() {
        let waiters = state.withLock { state in
            state.count -= 1
            guard state.count == 0 else { return [AsyncStream<Void>.Continuation]() }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.finish() }
    }

    /// Returns when all is written, or the task is cancelled.
    func wait() async {
        let (stream, waiter) = AsyncStream.makeStream(of: Void.self)
        let isWritten = state.withLock { state in
            if state.count > 0 { state.waiters.append(waiter) }
            return state.count == 0
        }
        if isWritten { return }
        for await _ in stream {}
    }
}

/// The time as it is, in which no sleep ends before all output is written.
struct OutputClock: Clock {
    let unwritten: UnwrittenOutput
    private let clock = ContinuousClock()

    init(_ unwritten: UnwrittenOutput) { self.unwritten = unwritten }

    var now: ContinuousClock.Instant { clock.now }
    var minimumResolution: Duration { clock.minimumResolution }

    func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
        try await clock.sleep(until: deadline, tolerance: tolerance)
        await unwritten.wait()
    }
}
