// TLS as a server: on a TCP port, or over any endpoint that listens.
//
// The string has two forms. Twisted's `tls:` begins with a directory of PEM files from which the
// client's name chooses; ours begins with a port and names files. What the first argument is shows in
// its text: digits are a port.

import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop
import Logging

/// Listens for TLS: `tls:PORT:privateKey=FILE`, or `tls:DIRECTORY`.
public struct TLSServerEndpoint: ServerEndpoint, EndpointKind {
    /// The kind's name.
    public static let kind = "tls"
    /// What it is for.
    public static let summary = "listens for TLS, by IPv6 and IPv4"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<TLSServerEndpoint>] =
        [
            .optional(
                "port",
                \.printedPort,
                help: "port to listen on, also as first argument, in digits; 443 with a directory"
            ),
            .optional(
                "path",
                \.configuration.directory,
                help: "directory of PEM files, also as first argument; the client's name chooses"
            ),
            .optional(
                "interface",
                \.interface,
                as: .interface,
                help: "local address to listen on; :: for all, of both families"
            ),
            .optional(
                "backlog",
                \.backlog,
                as: .backlog,
                help: "connections that may wait to be accepted"
            ),
            .optional("endpoint", \.endpoint, help: "what to listen on instead of TCP"),
        ] + securityArguments + optionArguments + [dualStackArgument]

    /// The port; with 0 the system takes a free one, `nil` is 443.
    public var port: UInt16?
    /// The local address to listen on, or its name; `::` for all, of both families.
    ///
    /// An IPv6 literal is kept as RFC 5952 writes it.
    public var interface = "::" {
        didSet { interface = HostName.canonical(interface) }
    }
    /// How many connections may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
    public var backlog = 4096
    /// The options of the socket.
    public var options = TCPOptions()
    /// What to listen on; TCP unless told.
    public var endpoint: (any ServerEndpoint)?
    /// How to speak TLS.
    public var configuration = TLSServerConfiguration(privateKey: TLSDefaults.privateKey)
    var method: TLSMethod?
    /// The port as the string has it: not if it is a directory's usual one.
    private var printedPort: UInt16? {
        get { configuration.directory != nil && port == 443 ? nil : port }
        set { port = newValue }
    }

    /// Makes an endpoint with the key and certificate in `server.pem`.
    public init() {}

    /// Makes an endpoint on a TCP port.
    ///
    /// - Parameters:
    ///   - port: The port; with 0 the system takes a free one.
    ///   - interface: The local address; `::` for all, of both families.
    ///   - configuration: How to speak TLS.
    public init(port: UInt16, interface: String = "::", _ configuration: TLSServerConfiguration) {
        self.port = port
        self.interface = HostName.canonical(interface)
        self.configuration = configuration
    }

    /// Digits are the port; anything else is a directory, and port, backlog and interface may follow.
    public static func argumentName(
        at position: Int,
        in description: EndpointDescription
    ) -> String? {
        let first = description.arguments.first { $0.position == 0 }?.text ?? ""
        if first.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return position == 0 ? "port" : nil
        }
        let names = ["path", "port", "backlog", "interface"]
        return position < names.count ? names[position] : nil
    }

    /// Refuses what is missing, and what would have no effect.
    public func validate() throws {
        if let endpoint {
            if port != nil || interface != "::" || backlog != 4096 {
                throw EndpointArgumentError(
                    "has no effect with an endpoint",
                    argument: port != nil ? "port" : interface != "::" ? "interface" : "backlog",
                    hint: "give it to the inner endpoint, \(endpoint)"
                )
            }
        } else if port == nil, configuration.directory == nil {
            throw EndpointArgumentError("needs the argument \"port\", a port from 0 to 65535")
        }
        try validateSecurity()
    }

    /// Reads the files, then listens; see ``ServerEndpoint/listen(in:)``.
    public func listen(in context: EndpointContext) async throws -> Listener {
        let context = try await prepare(context)
        if let endpoint { return try await endpoint.listen(in: context.naming(self)) }
        return try await TCPListening.listen(
            port: port ?? 443,
            interface: interface.isEmpty ? "::" : interface,
            family: HostName.family(ofLiteral: interface) ?? .ipv6,
            backlog: backlog,
            options: options,
            endpoint: context.name(of: self),
            in: context
        )
    }
}

/// Listens for TLS, as old strings have it: `ssl:PORT:privateKey=FILE`, by IPv4.
public struct SSLServerEndpoint: ServerEndpoint, EndpointKind {
    /// The kind's name.
    public static let kind = "ssl"
    /// What it is for.
    public static let summary = "listens for TLS, by IPv4; the old name of tls"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<SSLServerEndpoint>] =
        [
            .required("port", \.port, position: 0, help: "port to listen on; 0 takes a free one"),
            .optional(
                "interface",
                \.interface,
                as: .interface,
                position: 4,
                help: "local address to listen on; empty for all of IPv4"
            ),
            .optional(
                "backlog",
                \.backlog,
                as: .backlog,
                position: 5,
                help: "connections that may wait to be accepted"
            ),
        ] + securityArguments + optionArguments

    /// The port; with 0 the system takes a free one.
    public var port: UInt16 = 0
    /// The local address to listen on, or its name; empty for all of IPv4.
    ///
    /// An IPv6 literal is kept as RFC 5952 writes it.
    public var interface = "" {
        didSet { interface = HostName.canonical(interface) }
    }
    /// How many connections may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
    public var backlog = 4096
    /// The options of the socket.
    public var options = TCPOptions()
    /// How to speak TLS.
    public var configuration = TLSServerConfiguration(privateKey: TLSDefaults.privateKey)
    var method: TLSMethod?

    /// Makes an endpoint with the key and certificate in `server.pem`.
    public init() {}

    /// Refuses what would have no effect.
    public func validate() throws { try validateSecurity() }

    /// Reads the files, then listens; see ``ServerEndpoint/listen(in:)``.
    public func listen(in context: EndpointContext) async throws -> Listener {
        try await TCPListening.listen(
            port: port,
            interface: interface,
            family: HostName.family(ofLiteral: interface) ?? .ipv4,
            backlog: backlog,
            options: options,
            endpoint: context.name(of: self),
            in: try await prepare(context)
        )
    }
}

extension TLSServerEndpoint: TLSListening {
    var inner: (any ServerEndpoint)? { endpoint }
}

extension SSLServerEndpoint: TLSListening {
    var inner: (any ServerEndpoint)? { nil }
}

/// What is so unless a string says otherwise.
enum TLSDefaults {
    static let privateKey = "server.pem"
    /// How often a directory is looked at.
    static let directoryInterval: Duration = .seconds(10)
}

extension ServerEndpoint where Self == TLSServerEndpoint {
    /// Listens for TLS on a TCP port.
    ///
    /// - Parameters:
    ///   - port: The port; with 0 the system takes a free one.
    ///   - interface: The local address; `::` for all, of both families.
    ///   - configuration: How to speak TLS.
    /// - Returns: The endpoint.
    public static func tls(
        port: UInt16,
        interface: String = "::",
        _ configuration: TLSServerConfiguration
    ) -> TLSServerEndpoint {
        TLSServerEndpoint(port: port, interface: interface, configuration)
    }
}

extension TLSServerEndpoint {
    /// The same with the address's port, and with its IP address in place of a name; over another
    /// endpoint, with that one bound.
    public func bound(to address: SocketAddress) -> any ServerEndpoint {
        var copy = self
        if let endpoint {
            copy.endpoint = endpoint.bound(to: address)
        } else {
            copy.port = address.port ?? port
            copy.interface = boundInterface(interface, address)
        }
        return copy
    }
}

extension SSLServerEndpoint {
    /// The same with the address's port, and with its IP address in place of a name.
    public func bound(to address: SocketAddress) -> any ServerEndpoint {
        var copy = self
        copy.port = address.port ?? port
        copy.interface = boundInterface(interface, address)
        return copy
    }
}
