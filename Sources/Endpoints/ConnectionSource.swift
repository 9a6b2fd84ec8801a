// Where a listener's connections come from: a listening socket, the other side of an in-process
// endpoint, the two descriptors that a process was started with.

import EventLoop

/// What became of an attempt to take a connection.
enum Accepted {
    case connection(any Transport, ConnectionFacts)
    /// Nobody is waiting; the source tells the listener when somebody is.
    case wouldBlock
    /// The attempt failed with this errno; AcceptFailure tells what that means.
    case failed(Int32)
    /// There will never be another connection.
    case ended
}

/// A source of connections; touched on the listener's loop only.
class ConnectionSource {
    /// Where it listens.
    let address: SocketAddress
    /// Whether others hold it too: who waits there is theirs when we stop.
    var isShared: Bool { false }
    /// How a client on this host reaches it, where the address does not say enough.
    var client: (any ClientEndpoint)? { nil }
    /// Whether an attempt is worth while; until proven otherwise it is.
    final var isReadable = true
    private(set) final weak var listener: Listener?

    init(_ address: SocketAddress) { self.address = address }

    /// Tells `listener` from now on when somebody is waiting; 0 or -errno.
    func register(for listener: Listener) -> Int32 {
        self.listener = listener
        return 0
    }

    /// Takes the next connection.
    func next() -> Accepted { .ended }

    /// Gives up what it listens on.
    func close(on loop: EventLoop) {}

    /// Somebody is waiting.
    ///
    /// Outside any job.
    final func becomeReadable() {
        isReadable = true
        listener?.wakeAcceptors()
    }
}
