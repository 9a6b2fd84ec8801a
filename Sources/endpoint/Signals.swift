// SIGINT, SIGTERM and SIGHUP, taken by the main thread, which does nothing else.
//
// All are blocked before any other thread starts, so that all threads inherit that and sigwait(3)
// alone gets them. No code runs in a handler, and a second signal ends the process at once even if
// every loop is stuck. (An `async` main would not do: it leaves the main thread to Dispatch, which
// unblocks all signals there.)
//
// The first SIGINT or SIGTERM asks the running command to end; a command that did not say how it wants
// to be asked ends at once, as it would have without us.
//
// SIGHUP is two things. Sent by somebody (kill(1), a service manager) it asks a server to read its
// files again. Sent by the kernel it says that the terminal is gone: then it ends the command, unless
// nohup(1) has had it ignored.

import Endpoints
import Glibc

enum Signals {
    private static let onFirst = Lock<(@Sendable (Int32) -> Void)?>(nil)
    private static let onHangUp = Lock<(@Sendable () -> Void)?>(nil)
    /// `SI_KERNEL` of siginfo.h: not sent by a process.
    private static let sentByKernel: Int32 = 0x80

    /// Blocks the signals; first of all in `main`.
    static func block() {
        // A peer or a reader that is gone is an error of that write, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
        var signals = watched
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// Has each SIGHUP that a process sends call `body`.
    static func handleHangUp(_ body: @escaping @Sendable () -> Void) {
        onHangUp.withLock { $0 = body }
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
        sigaddset(&signals, SIGHUP)
        return signals
    }

    /// Waits for signals until the process ends.
    static func wait() -> Never {
        var signals = watched
        while true {
            var information = siginfo_t()
            let number = sigwaitinfo(&signals, &information)
            guard number > 0 else { continue }
            if number == SIGHUP {
                if information.si_code != sentByKernel, let body = onHangUp.withLock({ $0 }) {
                    body()
                    continue
                }
                // Blocked signals come also where they are ignored.
                if isHangUpIgnored { continue }
            }
            let body = onFirst.withLock { onFirst in
                defer { onFirst = nil }
                return onFirst
            }
            guard let body else { _exit(128 + number) }
            body(number)
        }
    }

    private static var isHangUpIgnored: Bool {
        var action = sigaction()
        guard sigaction(SIGHUP, nil, &action) == 0 else { return false }
        // SIG_IGN is the address 1.
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    }
}
