// How long an orderly close may take, as a value that is shown what has moved.
//
// A peer that is slow but alive must get all of our bytes, and one that is gone, or that never stops
// sending, must not keep the connection. So each limit starts anew when something moves. What moves in
// the kernel causes no event (a queue that a peer empties), hence the regular look.
//
//   flushing     the peer takes nothing for 30 s (or the idle limit, if that is shorter)  ──▶  reset
//   lingering    nothing moves in either direction for 5 s  ──▶  closed
//                the peer sends, but takes nothing for 30 s  ──▶  closed

/// The limits of one close.
struct ClosingLimits {
    /// How far a close has come.
    enum Stage: Equatable {
        /// Writes that were called before, and the goodbyes of the layers, are on their way.
        case flushing(limit: UInt64)
        /// Our stream has ended, and what the peer still sends is dropped.
        case lingering
    }

    /// What has moved so far.
    struct Progress: Equatable {
        /// Bytes that were written.
        var written = 0
        /// A measure of what the system holds for the peer; it changes when the peer takes something.
        var held = 0
        /// Bytes of the peer that were dropped.
        var dropped = 0
    }

    /// How long the peer may take nothing while something is to be flushed.
    static let flushLimit: UInt64 = 30_000_000_000
    /// How long nothing may move while the peer's end is awaited.
    static let quietLimit: UInt64 = 5_000_000_000
    /// How long a peer that sends may take nothing.
    static let deafLimit: UInt64 = 30_000_000_000
    private static let interval: UInt64 = 1_000_000_000

    let stage: Stage
    private var seen: Progress
    private var lastTaken: UInt64
    private var lastMoved: UInt64

    /// The limits of a stage that begins now.
    init(_ stage: Stage, at now: UInt64, _ progress: Progress) {
        self.stage = stage
        seen = progress
        lastTaken = now
        lastMoved = now
    }

    /// Notes what has moved; answers when to look again, or `nil` if the time is up.
    mutating func look(at now: UInt64, _ progress: Progress) -> UInt64? {
        if progress.written != seen.written || progress.held != seen.held {
            lastTaken = now
        }
        if progress != seen { lastMoved = now }
        seen = progress
        let deadline =
            switch stage {
            case .flushing(let limit): lastTaken &+ limit
            case .lingering: min(lastMoved &+ Self.quietLimit, lastTaken &+ Self.deafLimit)
            }
        return now < deadline ? min(deadline, now &+ Self.interval) : nil
    }
}
