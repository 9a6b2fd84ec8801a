// SIGINT and SIGTERM, taken by the main thread, which does nothing else.
//
// Both are blocked before any other thread starts, so that all threads inherit that and sigwait(3)
// alone gets them. No code runs in a handler, and a second signal ends the process at once even if
// every loop is stuck. (An `async` main would not do: it leaves the main thread to Dispatch, which
// unblocks all signals there.)
//
// The first asks the running command to end; a command that did not say how it wants to be asked
// ends at once, as it would have without us.

import Endpoints
import Glibc

enum Signals {
    private static let onFirst = Lock<(@Sendable (Int32) -> Void)?>(nil)

    /// Blocks the signals; first of all in `main`.
    static func block() {
        // A peer or a reader that is gone is an error of that write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        var signals = watched
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// Has the first signal call `body`, with its number.
    static func handleFirst(_ body: @escaping @Sendable (Int32) -> Void) {
        onFirst.withLock { $0 = body }
    }

    private static var watched: sigset_t {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        return signals
    }

    /// Waits for signals until the process ends.
    static func wait() -> Never {
        var signals = watched
        while true {
            var number: Int32 = 0
            guard sigwait(&signals, &number) == 0 else { continue }
            let body = onFirst.withLock { onFirst in
                defer { onFirst = nil }
                return onFirst
            }
            guard let body else { _exit(128 + number) }
            body(number)
        }
    }
}
