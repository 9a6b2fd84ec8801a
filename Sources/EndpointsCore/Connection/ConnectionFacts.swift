import EventLoop
import Logging

/// What is known about a connection when it is handed out; it never changes afterwards.
///
/// Layers add facts of their own types: `connection.facts[TLSFacts.self]`.
public final class ConnectionFacts: Sendable {
    package let localAddress: SocketAddress
    package let remoteAddress: SocketAddress
    /// What a plain accepted TCP connection does not have, so that it costs the others nothing.
    private let rare: Rare?

    private final class Rare: Sendable {
        let timeline: ConnectionTimeline?
        let values: TypedValues

        init(_ timeline: ConnectionTimeline?, _ values: TypedValues) {
            self.timeline = timeline
            self.values = values
        }
    }

    var timeline: ConnectionTimeline? { rare?.timeline }

    /// The fact of this type; `nil` if no layer of the connection added one.
    public subscript<Fact: Sendable>(_ type: Fact.Type) -> Fact? { rare?.values[type] }

    package init(
        localAddress: SocketAddress,
        remoteAddress: SocketAddress,
        timeline: ConnectionTimeline? = nil,
        values: TypedValues = TypedValues()
    ) {
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        rare = timeline == nil && values.isEmpty ? nil : Rare(timeline, values)
    }

    package convenience init(
        localAddress: SocketAddress,
        remoteAddress: SocketAddress,
        timeline: ConnectionTimeline? = nil,
        peerCredentials: PeerCredentials?
    ) {
        var values = TypedValues()
        values[PeerCredentials.self] = peerCredentials
        self.init(
            localAddress: localAddress,
            remoteAddress: remoteAddress,
            timeline: timeline,
            values: values
        )
    }

    /// The same facts after one more step, which `enter` writes into the timeline.
    package func adding(_ enter: (inout ConnectionTimeline) -> Void) -> ConnectionFacts {
        entering(enter, values: rare?.values ?? TypedValues())
    }

    /// The same facts with one more, after the step that found it.
    ///
    /// - Parameters:
    ///   - fact: The new fact; it replaces one of the same type.
    ///   - localAddress: Our own address, if the step revealed another one.
    ///   - remoteAddress: The peer's address, if the step revealed another one.
    ///   - enter: Writes the step into the timeline.
    /// - Returns: The facts.
    package func adding<Fact: Sendable>(
        _ fact: Fact,
        localAddress: SocketAddress? = nil,
        remoteAddress: SocketAddress? = nil,
        _ enter: (inout ConnectionTimeline) -> Void
    ) -> ConnectionFacts {
        var values = rare?.values ?? TypedValues()
        values[Fact.self] = fact
        return entering(
            enter,
            values: values,
            localAddress: localAddress,
            remoteAddress: remoteAddress
        )
    }

    private func entering(
        _ enter: (inout ConnectionTimeline) -> Void,
        values: TypedValues,
        localAddress: SocketAddress? = nil,
        remoteAddress: SocketAddress? = nil
    ) -> ConnectionFacts {
        var timeline = timeline ?? ConnectionTimeline()
        enter(&timeline)
        return ConnectionFacts(
            localAddress: localAddress ?? self.localAddress,
            remoteAddress: remoteAddress ?? self.remoteAddress,
            timeline: timeline,
            values: values
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

/// Where a connection comes from, for errors and the log: one object for all of a listener's.
package final class ConnectionOrigin: Sendable {
    package let endpoint: String
    package let logger: Logger
    let observer: (any EndpointObserver)?

    package init(endpoint: String, logger: Logger, observer: (any EndpointObserver)? = nil) {
        self.endpoint = endpoint
        self.logger = logger
        self.observer = observer
    }

    package init(endpoint: String, in context: EndpointContext) {
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
