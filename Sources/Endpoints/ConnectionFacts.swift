import EventLoop
import Logging

/// What is known of a connection and does not change: fixed when it is handed out.
final class ConnectionFacts: Sendable {
    let localAddress: SocketAddress
    let remoteAddress: SocketAddress
    /// What a plain TCP connection that was accepted does not have: it costs the others nothing.
    private let rare: Rare?

    private final class Rare: Sendable {
        let timeline: ConnectionTimeline?
        let peerCredentials: PeerCredentials?
        let tls: TLSFacts?
        let proxy: ProxyFacts?

        init(
            _ timeline: ConnectionTimeline?,
            _ peerCredentials: PeerCredentials?,
            _ tls: TLSFacts?,
            _ proxy: ProxyFacts?
        ) {
            self.timeline = timeline
            self.peerCredentials = peerCredentials
            self.tls = tls
            self.proxy = proxy
        }
    }

    var timeline: ConnectionTimeline? { rare?.timeline }
    var peerCredentials: PeerCredentials? { rare?.peerCredentials }
    var tls: TLSFacts? { rare?.tls }
    var proxy: ProxyFacts? { rare?.proxy }

    init(
        localAddress: SocketAddress,
        remoteAddress: SocketAddress,
        timeline: ConnectionTimeline? = nil,
        peerCredentials: PeerCredentials? = nil,
        tls: TLSFacts? = nil,
        proxy: ProxyFacts? = nil
    ) {
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        let isPlain = timeline == nil && peerCredentials == nil && tls == nil && proxy == nil
        rare = isPlain ? nil : Rare(timeline, peerCredentials, tls, proxy)
    }

    /// The same, after a TLS handshake.
    func with(tls: TLSFacts, handshake: ConnectionTimeline.Phase) -> ConnectionFacts {
        with(tls: tls) { $0.handshake = handshake }
    }

    /// The same, after a proxy has made the connection.
    func with(proxyPhase phase: ConnectionTimeline.Phase) -> ConnectionFacts {
        with { $0.proxy = phase }
    }

    /// The same behind a PROXY header; the addresses are those that it names, if it names any.
    func with(proxy: ProxyFacts, phase: ConnectionTimeline.Phase) -> ConnectionFacts {
        with(proxy: proxy) { $0.proxy = phase }
    }

    /// The same, with what a step has brought, and the step in the timeline.
    private func with(
        tls: TLSFacts? = nil,
        proxy: ProxyFacts? = nil,
        _ enter: (inout ConnectionTimeline) -> Void
    ) -> ConnectionFacts {
        var timeline = timeline ?? ConnectionTimeline()
        enter(&timeline)
        return ConnectionFacts(
            localAddress: proxy?.destination ?? localAddress,
            remoteAddress: proxy?.source ?? remoteAddress,
            timeline: timeline,
            peerCredentials: peerCredentials,
            tls: tls ?? self.tls,
            proxy: proxy ?? self.proxy
        )
    }
}

/// When each phase of a connection's making began, and how long it took.
///
/// A phase that did not happen is `nil`.
public struct ConnectionTimeline: Sendable, Hashable {
    /// A phase that happened.
    public struct Phase: Sendable, Hashable {
        /// When it began.
        public var start: ContinuousClock.Instant
        /// How long it took.
        public var duration: Duration

        /// Makes a phase.
        public init(start: ContinuousClock.Instant, duration: Duration) {
            self.start = start
            self.duration = duration
        }
    }

    /// Looking up the name.
    public var resolve: Phase?
    /// Connecting the socket.
    public var connect: Phase?
    /// The TLS handshake; of several the last.
    public var handshake: Phase?
    /// Reading the PROXY header, or asking a proxy (SOCKS, CONNECT) for the connection.
    public var proxy: Phase?

    /// A timeline in which nothing has happened yet.
    public init() {}
}

/// Who is at the other end of a UNIX socket: SO_PEERCRED of unix(7), taken when it connected.
public struct PeerCredentials: Sendable, Hashable {
    /// The process; it may have ended since, and its number been given to another.
    public var pid: Int32
    /// The effective user.
    public var uid: UInt32
    /// The effective group.
    public var gid: UInt32
}

/// Where a connection comes from, for errors and the log: one object for all of a listener's.
final class ConnectionOrigin: Sendable {
    let endpoint: String
    let logger: Logger
    let observer: (any EndpointObserver)?

    init(endpoint: String, logger: Logger, observer: (any EndpointObserver)? = nil) {
        self.endpoint = endpoint
        self.logger = logger
        self.observer = observer
    }

    init(endpoint: String, in context: EndpointContext) {
        self.endpoint = endpoint
        logger = context.logger
        observer = context.observer
    }
}

/// How a connection ended.
public enum ConnectionEnd: Sendable {
    /// We closed or aborted it.
    case closed
    /// The peer sent the end of its stream.
    case peerClosed
    /// The peer's stream was cut off: the transport ended before the protocol on it did.
    case truncated
    /// A system call or the peer ended it.
    case failed(EndpointError)
}
