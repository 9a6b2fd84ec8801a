import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Connects through an HTTP proxy by CONNECT (RFC 9110, section 9.3.6), which looks up the name:
/// `connect:example.com:443:proxy=[tcp:10.0.0.1:3128]`.
///
/// The connection's addresses are those of the connection to the proxy.
public struct HTTPConnectClientEndpoint: ClientEndpoint, EndpointKind {
    /// The kind's name.
    public static let kind = "connect"
    /// What it is for.
    public static let summary = "connects through an HTTP proxy, by CONNECT"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<HTTPConnectClientEndpoint>] = tunnelArguments

    /// The host: a name or an address literal; the proxy looks it up.
    ///
    /// An IPv6 literal is kept as RFC 5952 writes it.
    public var host = "" {
        didSet { host = HostName.canonical(host) }
    }
    /// The port, from 1.
    public var port: UInt16 = 0
    /// How to connect to the proxy.
    public var proxy: any ClientEndpoint = TCPClientEndpoint()
    /// The user's name at the proxy (Basic, RFC 7617), without a colon.
    public var user: String?
    /// The password; it is part of the endpoint's string, and masked
    /// in logs and errors.
    public var password: String?
    /// A file whose first line is the password.
    public var passwordFile: String?
    /// How long all of connecting may take, the proxy's part included; 30 seconds unless told.
    public var timeout: Duration = .seconds(30)

    /// Makes an endpoint whose host, port and proxy are still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - host: A name or an address literal.
    ///   - port: The port, from 1.
    ///   - proxy: How to connect to the proxy.
    public init(host: String, port: UInt16, proxy: any ClientEndpoint) {
        self.host = HostName.canonical(host)
        self.port = port
        self.proxy = proxy
    }

    /// Refuses what cannot be asked of an HTTP proxy.
    public func validate() throws { try validateTunnel() }

    /// Connects; see ``ClientEndpoint/connect(in:)``.
    ///
    /// - Throws: ``EndpointError``: what connecting to the proxy throws; with the proxy's reason
    ///   `permissionDenied` or `proxyRefused`.
    public func connect(in context: EndpointContext) async throws -> Connection {
        try await connectThroughProxy(in: context)
    }
}

extension HTTPConnectClientEndpoint: ProxyTunnel {
    static func check(_ target: ProxyTarget, _ credentials: ProxyCredentials?) throws {
        _ = try HTTPConnect(to: target, credentials: credentials)
    }

    func open(
        _ target: ProxyTarget,
        _ credentials: ProxyCredentials?,
        on connection: Connection
    ) async throws {
        var way = try HTTPConnect(to: target, credentials: credentials)
        var bytes: [UInt8] = []
        try await connection.write(way.request)
        while true {
            let progress: HTTPConnect.Progress
            do { progress = try way.receive(bytes.span) } catch {
                throw failure(error.code, "\(error)")
            }
            switch progress {
            case .needsMore(let count):
                bytes += try await readMore(count, after: bytes, from: connection)
            case .established:
                return
            }
        }
    }
}

extension HTTPConnectError {
    /// The code of the ``EndpointError`` that it causes.
    var code: EndpointError.Code {
        switch self {
        case .refused(401, _), .refused(403, _), .refused(407, _): .permissionDenied
        case .refused(504, _): .timedOut
        default: .proxyRefused
        }
    }
}
