// A connection's nouns and state. It is an actor on its event loop, and the only place that
// suspends for it: Connection+Waiting says how, Connection+Reading and +Writing move bytes,
// Connection+Ending ends it.
//
// State is touched on the loop's thread only, but often outside any job of the actor: by an event,
// a timer, a cancellation, or by a *lean call*. A lean call is a `nonisolated(nonsending)` method: it
// runs where its caller runs, so neither end of the call asks the runtime where it is. If that is
// the loop's thread the state is its own to use; elsewhere it takes the isolated way. Hence the
// `nonisolated(unsafe)` below: the compiler cannot see what `loop.isCurrent` has established.

import EventLoop
import Logging
import Synchronization

/// A stream of bytes in both directions, as an actor on its event loop.
///
/// One task may read at a time; writes are atomic and first come, first served. Iterating yields
/// chunks until the peer's end. When the last reference is gone without a ``close()``, the
/// descriptor is closed and a warning logged.
public actor Connection: EventSource {
    /// Its number among all connections of the process, from 1, by which the log names it.
    ///
    /// An upgrade, such as ``startTLS(_:)``, keeps it.
    public nonisolated let id: UInt64
    private static let lastID = Atomic<UInt64>(0)
    /// The loop on which the connection lives.
    package nonisolated let loop: EventLoop
    /// What is known about the connection; it never changes.
    public nonisolated let facts: ConnectionFacts
    package nonisolated let origin: ConnectionOrigin
    @usableFromInline package nonisolated let readGate: Gate
    nonisolated let idleLimit = Atomic<UInt64>(0)

    /// What keeps a call from going straight to the transport; none of it in the usual case.
    package struct Obstacles: OptionSet {
        package let rawValue: UInt8

        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// A task is reading.
        static let reading = Obstacles(rawValue: 1)
        /// Bytes that were read ahead or given back come first.
        static let pushback = Obstacles(rawValue: 2)
        /// A task is writing.
        package static let writing = Obstacles(rawValue: 4)
        /// Our stream is over: `closeWrite`, or a write that was cut off.
        package static let writeEnded = Obstacles(rawValue: 8)
        /// Closed, closing, or used up.
        static let closed = Obstacles(rawValue: 16)
        /// A read is under way, and may be between two attempts.
        static let claimed = Obstacles(rawValue: 32)
        /// The connection is about to become another; no write gets in line.
        static let upgrading = Obstacles(rawValue: 64)

        /// Whether some read has not returned.
        package var isReading: Bool { !isDisjoint(with: [.reading, .claimed]) }
    }

    // Safe, all of these: see the opening comment. Those of the hot path are internal: what other modules
    // see, the compiler checks for exclusive access at each use, 76 instructions.
    package nonisolated(unsafe) let transport: any Transport
    package nonisolated(unsafe) let base: BaseTransport
    /// Nothing above the lowest transport: what that is not ready for, the connection is not.
    nonisolated let isPlain: Bool
    nonisolated(unsafe) var readObstacles: Obstacles = []
    nonisolated(unsafe) var writeObstacles: Obstacles = []
    /// The direction that the reader and the writer wait for; TLS may cross them.
    nonisolated(unsafe) var readerNeedsWritable = false
    nonisolated(unsafe) var writerNeedsReadable = false
    /// The task whose cancellation `serve` watches for the connection's whole life, or 0.
    nonisolated(unsafe) var owner: UInt = 0
    /// Whether that task was cancelled.
    nonisolated(unsafe) var isOwnerCancelled = false
    nonisolated(unsafe) var lastActivity: UInt64
    nonisolated(unsafe) var bytesRead = 0
    nonisolated(unsafe) var bytesWritten = 0
    package nonisolated(unsafe) var phase = Phase.open
    nonisolated(unsafe) var end: ConnectionEnd?
    /// A read has returned the peer's end, or an error: nothing can be left unread.
    nonisolated(unsafe) var hasReadEnd = false
    /// What few connections need, made when they do.
    nonisolated(unsafe) var extras: Extras?

    init(
        _ transport: any Transport,
        facts: ConnectionFacts,
        origin: ConnectionOrigin,
        on loop: EventLoop,
        succeeding predecessor: Connection? = nil
    ) {
        id = predecessor?.id ?? Self.lastID.wrappingAdd(1, ordering: .relaxed).newValue
        self.transport = transport
        base = transport.base
        isPlain = transport === transport.base
        self.facts = facts
        self.origin = origin
        self.loop = loop
        readGate = Gate(loop, of: nil)
        lastActivity = 0  // Set when a limit is; the loop's own time is not ours to read here.
        readGate.belong(to: self)
        if predecessor == nil { origin.observer?.connectionOpened(at: origin.endpoint) }
    }

    /// A connection over a transport, for other modules: an initializer of theirs would not compile with
    /// `isolated deinit`.
    package static func make(
        over transport: sending any Transport,
        facts: ConnectionFacts,
        origin: ConnectionOrigin,
        on loop: EventLoop
    ) -> Connection {
        Connection(transport, facts: facts, origin: origin, on: loop)
    }

    /// A connection over a connected socket, which it owns from now on.
    package static func make(
        _ descriptor: consuming OwnedDescriptor,
        facts: ConnectionFacts,
        origin: ConnectionOrigin,
        on loop: EventLoop
    ) -> Connection {
        let isUNIX = facts.remoteAddress.family == nil
        let transport = SocketTransport(descriptor, isUNIX: isUNIX)
        return Connection(transport, facts: facts, origin: origin, on: loop)
    }

    isolated deinit {
        if phase == .closed { return }
        extras?.timer.map(loop.cancel)
        base.close(on: loop, reset: false)
        observeClose()
        origin.logger.warning(
            "connection dropped without close",
            metadata: logMetadata()
        )
    }

    /// The loop, as the executor of this actor and of any actor that wants to live with it.
    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        loop.asUnownedSerialExecutor()
    }

    /// How the log names the connection, and what happened to it; made only where that is logged.
    nonisolated func logMetadata(of error: (any Error)? = nil) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "endpoint": "\(origin.endpoint)", "remote": "\(facts.remoteAddress)",
            "connection": "\(id)",
        ]
        if let error { metadata["error"] = "\(error)" }
        return metadata
    }

    // MARK: facts

    /// Our own address.
    public nonisolated var localAddress: SocketAddress { facts.localAddress }

    /// The peer's address.
    public nonisolated var remoteAddress: SocketAddress { facts.remoteAddress }

    /// Who is at the other end of a UNIX socket; `nil` on other transports.
    public nonisolated var peerCredentials: PeerCredentials? { facts[PeerCredentials.self] }

    /// How the connection was made: each phase with its start and duration.
    public nonisolated var timeline: ConnectionTimeline { facts.timeline ?? ConnectionTimeline() }

    // MARK: time limit

    /// How long no byte may pass in either direction before the connection is aborted; `nil`, as at
    /// first, for ever.
    ///
    /// A call that waits then throws ``EndpointError`` with code `timedOut`. Setting it starts the
    /// time anew. Bytes that the system holds for a slow peer pass as long as it takes some of them; when
    /// it takes none, that is noticed after twice the time at the latest.
    public nonisolated var idleTimeout: Duration? {
        get {
            let limit = idleLimit.load(ordering: .relaxed)
            return limit == 0 ? nil : .nanoseconds(limit)
        }
        set {
            let limit = newValue.map { Swift.max($0.nanosecondsClamped, 1) } ?? 0
            idleLimit.store(limit, ordering: .relaxed)
            loop.run { self.restartIdleTimer() }
        }
    }

    /// Starts the idle timer, which looks at `lastActivity` only when it fires.
    nonisolated func restartIdleTimer() {
        if let timer = extras?.timer { loop.cancel(timer) }
        extras?.timer = nil
        guard phase == .open, idleLimit.load(ordering: .relaxed) > 0 else { return }
        lastActivity = loop.now
        scheduleIdleTimer(from: lastActivity)
    }

    /// A kernel with a long queue says nothing while a slow peer takes it; so the queue is looked at.
    ///
    /// - Parameters:
    ///   - start: When the idleness began, as far as is known.
    ///   - unsent: How many bytes were in the queue then.
    private nonisolated func scheduleIdleTimer(from start: UInt64, unsent: Int = 0) {
        // `lastActivity` is coarse: up to 4 ms behind.
        let deadline = start &+ idleLimit.load(ordering: .relaxed) &+ 4_000_000
        makeExtras().timer = loop.schedule(at: deadline) { [weak self] in
            guard let self, self.phase == .open else { return }
            self.extras?.timer = nil
            if self.loop.isStopping { return self.loopWillStop() }
            let limit = self.idleLimit.load(ordering: .relaxed)
            guard limit > 0 else { return }
            if self.loop.now &- self.lastActivity < limit {
                return self.scheduleIdleTimer(from: self.lastActivity)
            }
            let left = self.base.unsentCount
            if left > 0 && left != unsent {
                return self.scheduleIdleTimer(from: self.loop.now, unsent: left)
            }
            let error = self.error(
                .timedOut,
                "wait",
                reason: "idle for \(Duration.nanoseconds(limit).inSeconds)"
            )
            self.endNow(.failed(error), reset: true)
        }
    }

    // MARK: state that few need

    /// Where the connection is in its life.
    package enum Phase { case open, closing, closed }

    final class Extras {
        /// Bytes read ahead, or given back by a call that was cancelled.
        var pushback = ReadBuffer(capacity: .max)
        var writeGate: Gate?
        var writersInLine: [WriterInLine] = []
        var endWaiters: [Gate] = []
        var closeWaiters: [Gate] = []
        /// What this connection has become.
        var successor: Connection?
        /// The idle limit while the connection is open, the limits of `close` while it closes.
        var timer: LoopTimer?
        /// How long the close may take that is under way.
        var closing: ClosingLimits?
        /// Bytes that a close has dropped.
        var dropped = 0
        /// When a close whose caller was cancelled ends at the latest.
        var closeDeadline = UInt64.max
        /// The limit of a served connection's whole life.
        var lifeTimer: LoopTimer?
        /// When it was accepted, for an observer.
        var acceptTime: UInt64?
        /// Is called at each of the connection's ends, for one that watches without a task of its own.
        var onEnd: (@Sendable (isolated Connection) -> Void)?
        /// Bytes that were lost at the end.
        var bytesLost = 0
        /// How the connection ended behind the peer's end: it failed, or the peer takes no more.
        var laterEnd: ConnectionEnd?
        /// A write was cut off: the stream is not whole.
        var isBroken = false
        /// Why writing is over, if it failed.
        var writeFailure: EndpointError?
    }

    /// A task that waits for its turn to write.
    final class WriterInLine {
        let gate: Gate
        /// The turn was handed to it; it must use it or pass it on.
        var hasTurn = false

        init(_ gate: Gate) { self.gate = gate }
    }

    nonisolated func makeExtras() -> Extras {
        if let extras { return extras }
        let made = Extras()
        extras = made
        return made
    }

    // MARK: errors

    /// An error of this connection.
    package nonisolated func error(
        _ code: EndpointError.Code,
        _ operation: String,
        reason: String? = nil,
        received: [UInt8] = []
    ) -> EndpointError {
        EndpointError(
            code,
            operation: operation,
            to: subject,
            reason: reason,
            received: received
        )
    }

    /// What messages call this connection: the peer, and by way of what it was reached.
    package nonisolated var subject: EndpointError.Subject {
        .peer(facts.remoteAddress, endpoint: origin.endpoint)
    }
}
