// TLS as a client: over TCP by name, or over any endpoint.
//
// `connect` answers when the peer is verified, and the name that is verified is `host`, whatever the
// inner endpoint connects to. One deadline covers all of it.

import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop

/// A kind that connects over TLS.
protocol TLSConnecting: TCPConnecting, ClientEndpoint {
    var configuration: TLSClientConfiguration { get set }
    /// What to connect over; TCP to host and port unless told.
    var endpoint: (any ClientEndpoint)? { get }
    /// The name that the peer must prove; the host unless told.
    var serverName: String? { get }
}

/// Connects over TLS, and verifies the peer: `tls:HOST:PORT`.
public struct TLSClientEndpoint: ClientEndpoint, EndpointKind {
    /// The kind's name.
    public static let kind = "tls"
    /// What it is for.
    public static let summary = "connects over TLS, and verifies the peer"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<TLSClientEndpoint>] =
        positioned(clientArguments + ownArguments) + securityArguments

    /// The host: a name or an address literal, and what the peer must prove to be.
    ///
    /// An IPv6 literal is kept as RFC 5952 writes it.
    public var host = "" {
        didSet { host = HostName.canonical(host) }
    }
    /// The port, from 1; not looked at over another endpoint.
    public var port: UInt16 = 0
    /// How long all of connecting may take, look-up, attempts and handshake; 30 seconds unless told.
    public var timeout: Duration = .seconds(30)
    /// The local address to connect from, with a port behind it if the system is not to choose
    /// one (`192.0.2.1:80`, `[2001:db8::1]:80`); the system chooses both unless told.
    public var bindAddress: String? {
        didSet { bindAddress = bindAddress.map(LocalPlace.canonical) }
    }
    /// The options of the socket.
    public var options = TCPOptions()
    /// How to speak TLS.
    public var configuration = TLSClientConfiguration()
    /// What to connect over; TCP to host and port unless told.
    public var endpoint: (any ClientEndpoint)?
    /// The name that the peer must prove; the host unless told.
    public var serverName: String? {
        didSet { serverName = serverName.map(HostName.canonical) }
    }

    /// Makes an endpoint whose host and port are still to be filled in.
    public init() {}

    /// Makes an endpoint over TCP.
    ///
    /// - Parameters:
    ///   - host: A name or an address literal.
    ///   - port: The port, from 1.
    ///   - configuration: How to speak TLS.
    public init(
        host: String,
        port: UInt16,
        _ configuration: TLSClientConfiguration = TLSClientConfiguration()
    ) {
        self.host = HostName.canonical(host)
        self.port = port
        self.configuration = configuration
    }

    /// The arguments in their places, which only this of the clients' kinds has for more than two.
    private static func positioned(
        _ arguments: [EndpointArgument<TLSClientEndpoint>]
    ) -> [EndpointArgument<TLSClientEndpoint>] {
        let names = [
            "host", "port", "timeout", "bindAddress", "certificate", "privateKey", "trustRoots",
            "endpoint",
        ]
        return arguments.map {
            var argument = $0
            argument.position = names.firstIndex(of: argument.name)
            return argument
        }
    }

    private static var ownArguments: [EndpointArgument<TLSClientEndpoint>] {
        [
            .optional(
                "certificate",
                \.configuration.certificate,
                help: "PEM file with our certificate and its chain"
            ),
            .optional(
                "privateKey",
                \.configuration.privateKey,
                help: "PEM file with its private key; the certificate's own unless told"
            ),
            .optional(
                "trustRoots",
                \.configuration.trustRoots,
                as: .path,
                help: "PEM file, or directory of them, whom to trust; the system's unless told"
            ),
            .optional("endpoint", \.endpoint, help: "what to connect over instead of TCP"),
            .optional(
                "serverName",
                \.serverName,
                as: .host,
                help: "name that the peer must prove; the host unless told"
            ),
        ]
    }

    /// With `host=` given, the one argument without a name is the port.
    public static func argumentName(
        at position: Int,
        in description: EndpointDescription
    ) -> String? {
        clientArgumentName(at: position, in: description)
    }

    /// Refuses what would have no effect, and a name that cannot be verified.
    public func validate() throws {
        if endpoint != nil, bindAddress != nil {
            throw EndpointArgumentError(
                "has no effect with an endpoint",
                argument: "bindAddress",
                hint: "give it to the inner endpoint"
            )
        }
        if endpoint == nil { try validateFamilies(only: nil) }
        try validateSecurity()
    }

    /// Connects; see ``ClientEndpoint/connect(in:)``.
    public func connect(in context: EndpointContext) async throws -> Connection {
        try await connectSecurely(in: context)
    }
}

/// Connects over TLS, as old strings have it: `ssl:HOST:PORT`; verifies the peer like `tls`.
public struct SSLClientEndpoint: ClientEndpoint, EndpointKind {
    /// The kind's name.
    public static let kind = "ssl"
    /// What it is for.
    public static let summary = "connects over TLS; the old name of tls"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<SSLClientEndpoint>] =
        clientArguments + ownArguments + securityArguments

    /// The host: a name or an address literal.
    ///
    /// An IPv6 literal is kept as RFC 5952 writes it.
    public var host = "" {
        didSet { host = HostName.canonical(host) }
    }
    /// The port, from 1.
    public var port: UInt16 = 0
    /// How long all of connecting may take, look-up, attempts and handshake; 30 seconds unless told.
    public var timeout: Duration = .seconds(30)
    /// The local address to connect from, with a port behind it if the system is not to choose
    /// one (`192.0.2.1:80`, `[2001:db8::1]:80`); the system chooses both unless told.
    public var bindAddress: String? {
        didSet { bindAddress = bindAddress.map(LocalPlace.canonical) }
    }
    /// The options of the socket.
    public var options = TCPOptions()
    /// How to speak TLS.
    public var configuration = TLSClientConfiguration()
    /// The name that the peer must prove; the host unless told.
    public var hostname: String? {
        didSet { hostname = hostname.map(HostName.canonical) }
    }

    /// Makes an endpoint whose host and port are still to be filled in.
    public init() {}

    private static var ownArguments: [EndpointArgument<SSLClientEndpoint>] {
        [
            .optional(
                "certKey",
                \.configuration.certificate,
                aliases: ["certificate"],
                help: "PEM file with our certificate and its chain"
            ),
            .optional(
                "privateKey",
                \.configuration.privateKey,
                help: "PEM file with its private key; the certificate's own unless told"
            ),
            .optional(
                "caCertsDir",
                \.configuration.trustRoots,
                as: .path,
                aliases: ["trustRoots"],
                help: "PEM file, or directory of them, whom to trust; the system's unless told"
            ),
            .optional(
                "hostname",
                \.hostname,
                as: .host,
                help: "name that the peer must prove; the host unless told"
            ),
        ]
    }

    /// With `host=` given, the one argument without a name is the port.
    public static func argumentName(
        at position: Int,
        in description: EndpointDescription
    ) -> String? {
        clientArgumentName(at: position, in: description)
    }

    /// Refuses a key without a certificate, and versions that exclude each other.
    public func validate() throws {
        try validateFamilies(only: nil)
        try validateSecurity()
    }

    /// Connects; see ``ClientEndpoint/connect(in:)``.
    public func connect(in context: EndpointContext) async throws -> Connection {
        try await connectSecurely(in: context)
    }
}

extension TLSClientEndpoint: TLSConnecting {}
extension SSLClientEndpoint: TLSConnecting {
    var endpoint: (any ClientEndpoint)? { nil }
    var serverName: String? { hostname }
}

extension ClientEndpoint where Self == TLSClientEndpoint {
    /// Connects over TLS, and verifies the peer.
    ///
    /// - Parameters:
    ///   - host: A name or an address literal, which the peer must prove to be.
    ///   - port: The port, from 1.
    ///   - configuration: How to speak TLS.
    /// - Returns: The endpoint.
    public static func tls(
        host: String,
        port: UInt16,
        _ configuration: TLSClientConfiguration = TLSClientConfiguration()
    ) -> TLSClientEndpoint {
        TLSClientEndpoint(host: host, port: port, configuration)
    }
}
