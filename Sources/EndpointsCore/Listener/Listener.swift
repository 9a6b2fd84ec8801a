// A listener is an actor on one loop: it accepts there, on demand, and deals the connections out to
// the loops of its group. (One listening socket in several epolls starves all loops but the first
// that is woken.)
//
// Accepting is in Listener+Accepting, the scope that runs a handler for each connection in
// Listener+Serving, the end in Listener+Ending.

import EventLoop
import Logging
import Synchronization

/// Accepts connections, on one or several sockets.
///
/// Iterating yields connections that are ready for use; nothing is taken from the kernel's queue
/// until somebody asks. A cancelled iteration ends, and leaves the listener as it was.
public actor Listener: LoopMember {
    package nonisolated let loop: EventLoop
    nonisolated let loops: [EventLoop]
    package nonisolated let origin: ConnectionOrigin
    nonisolated let watchers = ListenerWatchers()
    /// Always open: an acceptor passes it to let others run.
    nonisolated let turnGate: Gate
    /// What `pause.isPausing` says, for other loops: a pause that they miss ends with its time.
    nonisolated let isPausing = Atomic<Bool>(false)

    /// Where it listens; ports and paths are the real ones.
    public nonisolated let addresses: [SocketAddress]
    /// For each address, the client endpoint that its source names, if the address does not say enough.
    package nonisolated let namedClients: [(any ClientEndpoint)?]
    /// For each stage, what a client does to get through it.
    package nonisolated let clientWrappers: [ClientWrapper?]

    enum Phase {
        case listening
        /// Takes what is queued in the kernel, and then no more.
        case draining
        /// Takes nothing more; hands out what is being prepared.
        case drained
        case closed

        /// Whether connections may still come from a source.
        var accepts: Bool { self == .listening || self == .draining }
    }

    // Safe, all of these: touched on the loop's thread only.
    nonisolated(unsafe) var sources: [any ConnectionSource]
    nonisolated(unsafe) var phase = Phase.listening
    nonisolated(unsafe) let preparations: Preparations?
    nonisolated(unsafe) var isSuspended = false
    nonisolated(unsafe) var pause = AcceptPause()
    nonisolated(unsafe) var pauseTimer: LoopTimer?
    nonisolated(unsafe) var waiters: [Gate] = []
    nonisolated(unsafe) var sessions: [ServeSession] = []
    nonisolated(unsafe) var drainers: [Gate] = []
    nonisolated(unsafe) var turn = 0
    /// Of those who got copies of the sockets.
    var share = SocketShare()
    nonisolated(unsafe) private(set) var deathCause: EndpointError?

    /// Listens on sockets that it owns from now on.
    package static func make(
        _ sockets: [ListeningSocket],
        endpoint: String,
        in context: EndpointContext
    ) -> Listener {
        make(sockets.map(SocketSource.init), endpoint: endpoint, in: context)
    }

    /// Takes connections from `sources`, which it owns from now on.
    package static func make(
        _ sources: [any ConnectionSource],
        endpoint: String,
        in context: EndpointContext
    ) -> Listener {
        // Safe: made for this listener, and touched on its loop from now on.
        nonisolated(unsafe) let sources = sources
        return Listener(
            sources,
            origin: ConnectionOrigin(endpoint: endpoint, in: context),
            on: context.nextLoop(),
            loops: context.loops.loops,
            stages: context.request.stages
        )
    }

    init(
        _ sources: [any ConnectionSource],
        origin: ConnectionOrigin,
        on loop: EventLoop,
        loops: [EventLoop],
        stages: [ConnectionStage]
    ) {
        self.sources = sources
        addresses = sources.map(\.address)
        namedClients = sources.map(\.client)
        clientWrappers = stages.map(\.client)
        self.origin = origin
        self.loop = loop
        self.loops = loops.isEmpty ? [loop] : loops
        turnGate = Gate(loop, of: nil)
        preparations = stages.isEmpty ? nil : Preparations(stages)
    }

    isolated deinit {
        if phase == .closed { return }
        endNow()
        origin.logger.warning(
            "listener dropped without close",
            metadata: ["endpoint": "\(origin.endpoint)"]
        )
    }

    /// The listener's loop, as its executor.
    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        loop.asUnownedSerialExecutor()
    }

    /// The system error that ended the listener, if one did.
    public var failure: EndpointError? { deathCause }

    /// What happens before a connection is ready, and when accepting pauses, from now on.
    ///
    /// Any number of tasks may watch; one that falls behind by 1,024 events misses the oldest. The
    /// sequence ends when the listener is closed.
    public nonisolated var events: AsyncStream<ListenerEvent> { watchers.makeStream() }

    // MARK: suspending

    /// Accepts no more until ``resume()``: new connections wait in the kernel's queue.
    public nonisolated func suspend() {
        loop.run { self.isSuspended = true }
    }

    /// Accepts again.
    public nonisolated func resume() {
        loop.run {
            self.isSuspended = false
            self.wakeAcceptors()
        }
    }

    // MARK: waking, on the loop

    nonisolated func wakeAcceptors() {
        for gate in waiters {
            if let job = gate.open() { loop.append(job) }
        }
    }

    package nonisolated func loopWillStop() {
        die(
            of: EndpointError(
                .closed,
                operation: "accept",
                endpoint: origin.endpoint,
                reason: "the event loop has been shut down"
            )
        )
    }

    /// Ends the listener for a reason that it cannot help.
    nonisolated func die(of error: EndpointError) {
        guard phase != .closed else { return }
        deathCause = error
        endNow()
        origin.logger.error(
            "listener failed",
            metadata: ["endpoint": "\(origin.endpoint)", "error": "\(error)"]
        )
    }
}

extension Listener: AsyncSequence {
    /// A connection that is ready for use.
    public typealias Element = Connection
    /// Iterating never throws.
    public typealias Failure = Never

    /// Asks the listener for one connection after the other.
    public struct Iterator: AsyncIteratorProtocol {
        /// A connection that is ready for use.
        public typealias Element = Connection
        /// Iterating never throws.
        public typealias Failure = Never
        private let listener: Listener

        init(_ listener: Listener) { self.listener = listener }

        /// The next connection; `nil` when the listener is closed or the task cancelled.
        public mutating func next(isolation: isolated (any Actor)?) async -> Connection? {
            await listener.accept()
        }

        /// The next connection; `nil` when the listener is closed or the task cancelled.
        public mutating func next() async -> Connection? {
            await listener.accept()
        }
    }

    /// An iterator; several may be used at once, and each connection goes to one of them.
    public nonisolated func makeAsyncIterator() -> Iterator { Iterator(self) }
}
