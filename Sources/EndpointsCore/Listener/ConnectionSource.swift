// Where a listener's connections come from: a listening socket, the other side of an in-process
// endpoint, the two descriptors that a process was started with.

import EventLoop

/// What became of an attempt to take a connection.
package enum Accepted {
    case connection(any Transport, ConnectionFacts)
    /// Nobody is waiting; the source tells the listener when somebody is.
    case wouldBlock
    /// The attempt failed with this errno; AcceptFailure tells what that means.
    case failed(Int32)
    /// There will never be another connection.
    case ended
}

/// A source of connections; touched on the listener's loop only.
package protocol ConnectionSource: AnyObject {
    /// Where it listens.
    var address: SocketAddress { get }
    /// Whether others hold it too: connections that wait there are theirs when we stop.
    var isShared: Bool { get }
    /// How a client on this host reaches it, where the address does not say enough.
    var client: (any ClientEndpoint)? { get }
    /// Whether somebody may be waiting, and the listener to wake.
    var queue: AcceptQueue { get }

    /// Reports to `listener` from now on when somebody is waiting; 0 or -errno.
    func register(for listener: Listener) -> Int32
    /// Takes the next connection.
    func next() -> Accepted
    /// Gives up what it listens on.
    func close(on loop: EventLoop)
}

extension ConnectionSource {
    package var isShared: Bool { false }
    package var client: (any ClientEndpoint)? { nil }
    package func register(for listener: Listener) -> Int32 {
        queue.listener = listener
        return 0
    }
}

/// What a source knows about the connections that wait at it.
package final class AcceptQueue {
    /// Whether an attempt is worthwhile; until proven otherwise it is.
    package var mayHaveMore = true
    package weak var listener: Listener?

    package init() {}

    /// Notes that somebody is waiting, and wakes whoever accepts.
    ///
    /// Outside any job.
    package func becomeReadable() {
        mayHaveMore = true
        listener?.wakeAcceptors()
    }
}
