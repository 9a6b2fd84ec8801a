// Accepting when accept(2) fails: the system is short of descriptors or memory, a security policy
// forbids the call, or the reason is one that nobody has written down.
//
// The connection stays in the kernel's queue, so trying again at once would only burn the CPU. The
// pause doubles from 5 ms to 1 s, and ends early when one of our own connections closes: then there
// is a descriptor again. A listener that lives at the limit pauses and goes on with every connection
// that closes: watchers hear of each series of failures, the log of one a minute.
//
// Some failures concern only the one connection that accept(2) was about to return, and the next may be
// fine. But the same errno can also come from a filter that refuses every call. So these are retried a
// number of times in a row, and then the listener pauses as it does for the others.

import CEndpoints

/// How long to wait before the next attempt to accept: a value without a clock.
struct AcceptPause {
    static let shortest: UInt64 = 5_000_000
    static let longest: UInt64 = 1_000_000_000

    /// How often the log hears of it.
    static let logInterval: UInt64 = 60_000_000_000

    private(set) var isPausing = false
    private var delay: UInt64 = 0
    private var nextLog: UInt64 = 0
    private var isLogged = false
    /// Connections lost since the last attempt that did anything else.
    private var lostInARow = 0

    /// Connections that may be lost in a row before the listener pauses.
    static let mostLost = 64

    /// A connection was lost on the way: whether to pause rather than try the next at once.
    mutating func lose() -> Bool {
        lostInARow += 1
        return lostInARow > Self.mostLost
    }

    /// The queue is empty.
    mutating func findEmpty() { lostInARow = 0 }

    /// An attempt failed at `now`: nanoseconds to wait, and whether this is the first of a series,
    /// and one to be logged.
    mutating func begin(at now: UInt64) -> (delay: UInt64, isFirst: Bool, isLogged: Bool) {
        let isFirst = delay == 0
        delay = isFirst ? Self.shortest : min(delay * 2, Self.longest)
        isPausing = true
        lostInARow = 0
        let isLoggedNow = !isLogged && now >= nextLog
        if isLoggedNow {
            isLogged = true
            nextLog = now &+ Self.logInterval
        }
        return (delay, isFirst, isLoggedNow)
    }

    /// The wait is over, or need not be waited for any longer; the next attempt tells.
    package mutating func end() { isPausing = false }

    /// Accepting has worked: whether a series of failures ended with that, and one that was logged.
    mutating func succeed() -> (isEnd: Bool, isLogged: Bool) {
        isPausing = false
        lostInARow = 0
        defer {
            delay = 0
            isLogged = false
        }
        return (delay != 0, isLogged)
    }
}

/// What an errno of accept(2) means for the listener (accept(2), "Error handling" and "ERRORS").
enum AcceptFailure: CaseIterable {
    /// Nobody is waiting.
    case wouldBlock
    /// That one connection is gone, or the call was interrupted; the next may be fine.
    case connectionLost
    /// The system is short of something that comes back.
    case exhausted
    /// The call is forbidden (EPERM), or fails for a reason that accept(2) does not name.
    case refused
    /// The listening socket itself is of no use any more.
    case fatal

    init(errno code: Int32) {
        switch code {
        case EAGAIN: self = .wouldBlock
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: self = .exhausted
        case EBADF, EINVAL, ENOTSOCK, EFAULT: self = .fatal
        case EINTR, ECONNABORTED, ETIMEDOUT: self = .connectionLost
        // The error that the new socket already has.
        case ENETDOWN, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
            ENETUNREACH:
            self = .connectionLost
        default: self = .refused
        }
    }
}
