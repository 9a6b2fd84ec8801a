import EventLoop
import Logging

/// A connection.
public actor Connection {
    /// Resets the connection.
    public nonisolated func abort() {}
    /// Closes.
    public nonisolated(nonsending) func close() async {}
    /// How it ended.
    public nonisolated(nonsending) func ended() async throws -> ConnectionEnd { .closed }

    static func make(
        _ descriptor: consuming OwnedDescriptor, facts: ConnectionFacts, origin: ConnectionOrigin, on loop: EventLoop
    ) -> Connection { fatalError("stub") }
}
/// How a connection ended.
public enum ConnectionEnd: Sendable {
    /// By us.
    case closed
    /// By the peer.
    case peerClosed
    /// Cut off.
    case truncated
    /// Failed.
    case failed(EndpointError)
}
/// What is fixed when the connection is handed out.
struct ConnectionFacts: Sendable {
    var localAddress: SocketAddress
    var remoteAddress: SocketAddress
    var timeline = ConnectionTimeline()
    var peerCredentials: PeerCredentials?
}
/// When each phase of the connection's making began and how long it took.
public struct ConnectionTimeline: Sendable {
    /// A phase that happened.
    public struct Phase: Sendable {
        /// When it began.
        public var start: ContinuousClock.Instant
        /// How long it took.
        public var duration: Duration
    }
    /// Looking up the name.
    public var resolve: Phase?
    /// Connecting the socket.
    public var connect: Phase?
}
/// Who is at the other end of a UNIX socket (SO_PEERCRED).
public struct PeerCredentials: Hashable, Sendable {
    /// Process.
    public var pid: Int32
    /// User.
    public var uid: UInt32
    /// Group.
    public var gid: UInt32
}
/// What a connection says of where it comes from, in errors and in the log: shared by all connections of a listener.
final class ConnectionOrigin: Sendable {
    let endpoint: String
    let logger: Logger
    init(endpoint: String, logger: Logger) {
        self.endpoint = endpoint
        self.logger = logger
    }
}
