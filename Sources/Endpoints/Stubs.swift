/// The options of a TCP socket.
public struct TCPOptions: Hashable, Sendable {
    /// Sends at once (TCP_NODELAY).
    public var noDelay = true
    /// How long a connection is idle before it is probed (TCP_KEEPIDLE).
    public var keepAlive: Duration?
    /// How long data may stay unacknowledged (TCP_USER_TIMEOUT).
    public var userTimeout: Duration?
    /// Several sockets may listen on the port (SO_REUSEPORT).
    public var reusePort = false
    /// Multipath TCP.
    public var multipath = false
    /// TCP fast open.
    public var fastOpen = false

    /// Makes the defaults.
    public init() {}
}

enum TCPConnector {
    static func connect(
        host: String,
        port: UInt16,
        family: AddressFamily?,
        options: TCPOptions,
        bindAddress: String?,
        timeout: Duration?,
        endpoint: String,
        in context: EndpointContext
    ) async throws -> Connection {
        throw EndpointError(.connectionRefused, operation: "connect", endpoint: endpoint)
    }
}

enum TCPListening {
    static func listen(
        port: UInt16,
        interface: String,
        family: AddressFamily?,
        backlog: Int,
        options: TCPOptions,
        endpoint: String,
        in context: EndpointContext
    ) async throws -> Listener {
        throw EndpointError(.connectionRefused, operation: "listen", endpoint: endpoint)
    }
}

enum UNIXConnector {
    static func connect(
        path: String,
        checkPID: Bool,
        timeout: Duration?,
        endpoint: String,
        in context: EndpointContext
    ) async throws -> Connection {
        throw EndpointError(.connectionRefused, operation: "connect", endpoint: endpoint)
    }
}

enum UNIXListening {
    static func listen(
        path: String,
        mode: UInt16,
        backlog: Int,
        lockfile: Bool,
        endpoint: String,
        in context: EndpointContext
    ) async throws -> Listener {
        throw EndpointError(.connectionRefused, operation: "listen", endpoint: endpoint)
    }
}
