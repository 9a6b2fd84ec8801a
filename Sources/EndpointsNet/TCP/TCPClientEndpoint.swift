// TCPClientEndpoint: a host and a port.
//
// The one thing to know: with `host=` given, a single argument without a name is the port
// (`tcp:host=example.com:80`), else it is the host (`tcp:example.com:port=80`).

import EndpointStrings
import EndpointsCore

/// Connects over TCP to a host, given as a name or an address: `tcp:HOST:PORT`.
public struct TCPClientEndpoint: ClientEndpoint, EndpointKind, TCPEndpoint, Hashable {
    /// The kind's name.
    public static let kind = "tcp"
    /// What it is for.
    public static let summary = "connects over TCP, by IPv6 or IPv4"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<TCPClientEndpoint>] = clientArguments

    /// The host: a name or an address literal; an IPv6 one may have a zone.
    ///
    /// An IPv6 literal is kept as RFC 5952 writes it.
    public var host = "" {
        didSet { host = HostName.canonical(host) }
    }
    /// The port, from 1.
    public var port: UInt16 = 0
    /// How long all of connecting may take, look-up and attempts; 30 seconds unless told.
    public var timeout: Duration = .seconds(30)
    /// The local address to connect from, with a port behind it if the system is not to choose
    /// one (`192.0.2.1:80`, `[2001:db8::1]:80`); the system chooses both unless told.
    public var bindAddress: String? {
        didSet { bindAddress = bindAddress.map(LocalPlace.canonical) }
    }
    /// The options of the socket.
    public var options = TCPOptions()

    /// Makes an endpoint whose host and port are still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - host: A name or an address literal.
    ///   - port: The port, from 1.
    public init(host: String, port: UInt16) {
        self.host = HostName.canonical(host)
        self.port = port
    }

    /// With `host=` given, the one argument without a name is the port.
    public static func argumentName(
        at position: Int,
        in description: EndpointDescription
    ) -> String? {
        clientArgumentName(at: position, in: description)
    }

    /// Refuses a local address of another family than the host's.
    public func validate() throws {
        try validateFamilies(only: nil)
    }

    /// Connects; see ``ClientEndpoint/connect(in:)``.
    public func connect(in context: EndpointContext) async throws -> Connection {
        try await TCPConnector.connect(
            host: host,
            port: port,
            family: nil,
            options: options,
            bindAddress: bindAddress,
            timeout: timeout,
            endpoint: redacted,
            in: context
        )
    }
}

/// Connects over TCP by IPv6 alone: `tcp6:HOST:PORT`.
public struct TCP6ClientEndpoint: ClientEndpoint, EndpointKind, TCPEndpoint, Hashable {
    /// The kind's name.
    public static let kind = "tcp6"
    /// What it is for.
    public static let summary = "connects over TCP, by IPv6 only"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<TCP6ClientEndpoint>] = clientArguments

    /// The host: a name or an IPv6 literal, perhaps with a zone.
    ///
    /// An IPv6 literal is kept as RFC 5952 writes it.
    public var host = "" {
        didSet { host = HostName.canonical(host) }
    }
    /// The port, from 1.
    public var port: UInt16 = 0
    /// How long all of connecting may take, look-up and attempts; 30 seconds unless told.
    public var timeout: Duration = .seconds(30)
    /// The local address to connect from, with a port behind it if the system is not to choose
    /// one (`192.0.2.1:80`, `[2001:db8::1]:80`); the system chooses both unless told.
    public var bindAddress: String? {
        didSet { bindAddress = bindAddress.map(LocalPlace.canonical) }
    }
    /// The options of the socket.
    public var options = TCPOptions()

    /// Makes an endpoint whose host and port are still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - host: A name or an IPv6 literal.
    ///   - port: The port, from 1.
    public init(host: String, port: UInt16) {
        self.host = HostName.canonical(host)
        self.port = port
    }

    /// With `host=` given, the one argument without a name is the port.
    public static func argumentName(
        at position: Int,
        in description: EndpointDescription
    ) -> String? {
        clientArgumentName(at: position, in: description)
    }

    /// Refuses IPv4 literals.
    public func validate() throws {
        try validateFamilies(only: .ipv6)
    }

    /// Connects; see ``ClientEndpoint/connect(in:)``.
    public func connect(in context: EndpointContext) async throws -> Connection {
        try await TCPConnector.connect(
            host: host,
            port: port,
            family: .ipv6,
            options: options,
            bindAddress: bindAddress,
            timeout: timeout,
            endpoint: redacted,
            in: context
        )
    }
}

extension ClientEndpoint where Self == TCPClientEndpoint {
    /// Connects over TCP.
    ///
    /// - Parameters:
    ///   - host: A name or an address literal.
    ///   - port: The port, from 1.
    /// - Returns: The endpoint.
    public static func tcp(host: String, port: UInt16) -> TCPClientEndpoint {
        TCPClientEndpoint(host: host, port: port)
    }
}
