// TCPServerEndpoint: a port, on one interface or all.
//
// Two kinds that differ in more than the family: `tcp` takes interface before backlog, `tcp6`
// backlog before interface, as Twisted does. In both an address literal decides the family; without
// one `tcp` is IPv4, and `tcp6` is IPv6 and, on `::`, IPv4 too.

import EndpointStrings
import EndpointsCore

/// Listens on a TCP port: `tcp:PORT:INTERFACE:BACKLOG`.
public struct TCPServerEndpoint: ServerEndpoint, EndpointKind, TCPEndpoint, Hashable {
    /// The kind's name.
    public static let kind = "tcp"
    /// What it is for.
    public static let summary = "listens on a TCP port, by IPv4 unless the interface is IPv6"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<TCPServerEndpoint>] =
        [
            .required("port", \.port, position: 0, help: "port to listen on; 0 takes a free one"),
            .optional(
                "interface",
                \.interface,
                as: .interface,
                position: 1,
                help: "local address to listen on; empty for all of IPv4"
            ),
            .optional(
                "backlog",
                \.backlog,
                as: .backlog,
                position: 2,
                help: "connections that may wait to be accepted"
            ),
        ] + optionArguments

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

    /// Makes an endpoint that takes a free port on all interfaces.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - port: The port; with 0 the system takes a free one.
    ///   - interface: The local address; empty for all of IPv4.
    ///   - backlog: How many connections may wait to be accepted.
    public init(port: UInt16, interface: String = "", backlog: Int = 4096) {
        self.port = port
        self.interface = HostName.canonical(interface)
        self.backlog = backlog
    }

    /// Listens; see ``ServerEndpoint/listen(in:)``.
    public func listen(in context: EndpointContext) async throws -> Listener {
        try await TCPListening.listen(
            port: port,
            interface: interface,
            family: HostName.family(ofLiteral: interface) ?? .ipv4,
            backlog: backlog,
            options: options,
            endpoint: context.name(of: self),
            in: context
        )
    }
}

/// Listens on a TCP port by IPv6, and by IPv4 too on `::`: `tcp6:PORT:BACKLOG:INTERFACE`.
public struct TCP6ServerEndpoint: ServerEndpoint, EndpointKind, TCPEndpoint, Hashable {
    /// The kind's name.
    public static let kind = "tcp6"
    /// What it is for.
    public static let summary = "listens on a TCP port, by IPv6 and IPv4"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<TCP6ServerEndpoint>] =
        [
            .required("port", \.port, position: 0, help: "port to listen on; 0 takes a free one"),
            .optional(
                "backlog",
                \.backlog,
                as: .backlog,
                position: 1,
                help: "connections that may wait to be accepted"
            ),
            .optional(
                "interface",
                \.interface,
                as: .interface,
                position: 2,
                help: "local address to listen on; :: or empty for all"
            ),
        ] + optionArguments + [dualStackArgument]

    /// The port; with 0 the system takes a free one.
    public var port: UInt16 = 0
    /// How many connections may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
    public var backlog = 4096
    /// The local address to listen on, or its name; `::` for all, of both families.
    ///
    /// An IPv6 literal is kept as RFC 5952 writes it.
    public var interface = "::" {
        didSet { interface = HostName.canonical(interface) }
    }
    /// The options of the socket.
    public var options = TCPOptions()

    /// Makes an endpoint that takes a free port on all interfaces.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - port: The port; with 0 the system takes a free one.
    ///   - interface: The local address; `::` for all, of both families.
    ///   - backlog: How many connections may wait to be accepted.
    public init(port: UInt16, interface: String = "::", backlog: Int = 4096) {
        self.port = port
        self.interface = HostName.canonical(interface)
        self.backlog = backlog
    }

    /// Listens; see ``ServerEndpoint/listen(in:)``.
    public func listen(in context: EndpointContext) async throws -> Listener {
        try await TCPListening.listen(
            port: port,
            interface: interface.isEmpty ? "::" : interface,
            family: HostName.family(ofLiteral: interface) ?? .ipv6,
            backlog: backlog,
            options: options,
            endpoint: context.name(of: self),
            in: context
        )
    }
}

extension ServerEndpoint where Self == TCPServerEndpoint {
    /// Listens on a TCP port.
    ///
    /// - Parameters:
    ///   - port: The port; with 0 the system takes a free one.
    ///   - interface: The local address; empty for all of IPv4.
    ///   - backlog: How many connections may wait to be accepted.
    /// - Returns: The endpoint.
    public static func tcp(
        port: UInt16,
        interface: String = "",
        backlog: Int = 4096
    ) -> TCPServerEndpoint {
        TCPServerEndpoint(port: port, interface: interface, backlog: backlog)
    }
}

extension TCPServerEndpoint {
    /// The same with the address's port, and with its IP address in place of a name.
    public func bound(to address: SocketAddress) -> any ServerEndpoint {
        var copy = self
        copy.port = address.port ?? port
        copy.interface = boundInterface(interface, address)
        return copy
    }
}

extension TCP6ServerEndpoint {
    /// The same with the address's port, and with its IP address in place of a name.
    public func bound(to address: SocketAddress) -> any ServerEndpoint {
        var copy = self
        copy.port = address.port ?? port
        copy.interface = boundInterface(interface, address)
        return copy
    }
}
