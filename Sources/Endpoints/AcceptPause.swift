// Accepting when the system is short of descriptors or memory.
//
// The connection stays in the kernel's queue, so trying again at once would only burn the CPU. The
// pause doubles from 5 ms to 1 s, and ends early when one of our own connections closes: then there
// is a descriptor again. It is told once, until accepting has worked again.

import CEndpoints

/// How long to wait before the next attempt to accept: a value without a clock.
struct AcceptPause {
    static let shortest: UInt64 = 5_000_000
    static let longest: UInt64 = 1_000_000_000

    private(set) var isPausing = false
    private var delay: UInt64 = 0

    /// An attempt failed: nanoseconds to wait, and whether this is the first of a series.
    mutating func begin() -> (delay: UInt64, isFirst: Bool) {
        let isFirst = delay == 0
        delay = isFirst ? Self.shortest : min(delay * 2, Self.longest)
        isPausing = true
        return (delay, isFirst)
    }

    /// The wait is over, or need not be waited for any longer; the next attempt tells.
    mutating func end() { isPausing = false }

    /// Accepting has worked; answers whether a series of failures ended with that.
    mutating func succeed() -> Bool {
        isPausing = false
        defer { delay = 0 }
        return delay != 0
    }
}

/// What an errno of accept(2) means for the listener (accept(2), "Error handling").
enum AcceptFailure {
    /// Nobody is waiting.
    case wouldBlock
    /// That one connection is gone; the next may be fine.
    case connectionLost
    /// The system is short of something that comes back.
    case exhausted
    /// The listening socket itself is of no use any more.
    case fatal

    init(errno code: Int32) {
        switch code {
        case EAGAIN: self = .wouldBlock
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: self = .exhausted
        case EBADF, EINVAL, ENOTSOCK, EFAULT: self = .fatal
        default: self = .connectionLost
        }
    }
}
