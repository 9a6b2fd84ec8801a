// How many programs of ours run. They are ended by the loops, each in its own time; a process that exits
// before that leaves them behind, and one that ignores SIGTERM then runs for ever.

import EndpointStrings
import EndpointsCore
import EventLoop

/// The programs that `process:` endpoints have started.
package enum RunningPrograms {
    private struct State {
        var count = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
        var descriptorLimit = UInt64.max
    }
    private static let state = Lock(State())

    /// How many descriptors a program may have open (RLIMIT_NOFILE), `UInt64.max` for as many as we.
    ///
    /// A process that raises its own limit sets what it was before, as Go does: programs that use
    /// select(2) break with numbers above 1023, and others close every number up to the limit.
    package static var descriptorLimit: UInt64 {
        get { state.withLock { $0.descriptorLimit } }
        set { state.withLock { $0.descriptorLimit = newValue } }
    }

    static func begin() { state.withLock { $0.count += 1 } }

    static func end() {
        let waiters = state.withLock { state in
            state.count -= 1
            guard state.count == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Waits until all have ended, which they do when their connections are closed: by themselves, or
    /// killed after the grace period.
    ///
    /// Cancellation is not looked at.
    package static func allEnded() async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.count > 0 { state.waiters.append(continuation) }
                return state.count == 0
            }
            if isDone { continuation.resume() }
        }
    }
}
