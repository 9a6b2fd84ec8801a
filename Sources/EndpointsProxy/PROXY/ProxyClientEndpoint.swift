// The header names, in this order of preference: the addresses that the endpoint was given; the
// client on whose behalf the context connects (`relay` says so); nobody, which is what a connection of
// our own is to say, health checks above all (LOCAL, in version 1 UNKNOWN).
//
// It is sent as soon as the connection stands: receivers wait a few seconds and then hang up, also
// where the protocol lets the server speak first.

import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Connects to a server that expects a PROXY header, and sends it: `haproxy:tcp:10.0.0.1:80`.
public struct ProxyClientEndpoint: ClientEndpoint, EndpointKind {
    /// The kind's name.
    public static let kind = "haproxy"
    /// What it is for.
    public static let summary = "connects, and says in a PROXY header for whom"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<ProxyClientEndpoint>] = [
        .optional("version", \.version, as: .proxyVersion, help: "form of the header: 1 or 2"),
        .optional(
            "source",
            \.source,
            as: .socketAddress,
            help: "client to name, as 192.0.2.1:1234; the one that is relayed unless told"
        ),
        .optional(
            "destination",
            \.destination,
            as: .socketAddress,
            help: "address that the client connected to; ours unless told"
        ),
        .prefixed("endpoint", \.endpoint, help: "where to connect"),
    ]

    /// The form of the header; 2 unless told.
    public var version = ProxyHeader.Version.v2
    /// The client to name; unless told the one that is relayed
    /// (``EndpointContext/relaying(_:)``), or nobody.
    public var source: SocketAddress?
    /// The address that the client connected to; unless told, that of the relayed connection.
    public var destination: SocketAddress?
    /// Where to connect.
    public var endpoint: any ClientEndpoint = TCPClientEndpoint()

    /// Makes an endpoint whose inner one is still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - endpoint: Where to connect.
    ///   - version: The form of the header.
    public init(_ endpoint: any ClientEndpoint, version: ProxyHeader.Version = .v2) {
        self.endpoint = endpoint
        self.version = version
    }

    /// Refuses a destination that stands alone.
    public func validate() throws {
        if destination != nil && source == nil {
            throw EndpointArgumentError("needs a source beside it", argument: "destination")
        }
    }

    /// Connects, and sends the header; see ``ClientEndpoint/connect(in:)``.
    ///
    /// - Throws: ``EndpointError``: what connecting throws; `invalidArgument` if no header can name the
    ///   two addresses together.
    public func connect(in context: EndpointContext) async throws -> Connection {
        let connection = try await endpoint.connect(in: context)
        do {
            try await connection.write(
                try header(for: connection, context.request.values[RelayedAddresses.self])
            )
            return connection
        } catch {
            connection.abort()
            throw error
        }
    }

    private func header(
        for connection: Connection,
        _ relayed: RelayedAddresses?
    ) throws -> [UInt8] {
        var header = ProxyHeader.local(version: version)
        if let source {
            let target = destination ?? connection.remoteAddress
            header = ProxyHeader(source: source, destination: target, version: version)
        } else if let relayed, relayed.isNamed {
            header = ProxyHeader(
                source: relayed.source,
                destination: relayed.destination,
                version: version
            )
        }
        do {
            return try header.serialized()
        } catch {
            throw EndpointError(
                .invalidArgument,
                operation: "connect",
                endpoint: redacted,
                reason: error.description,
                phase: .proxy
            )
        }
    }
}

extension RelayedAddresses {
    /// Whether a header can name both.
    fileprivate var isNamed: Bool {
        (source.family != nil && destination.family != nil)
            || (source.isUNIX && destination.isUNIX)
    }
}

extension EndpointArgumentFormat where Value == ProxyHeader.Version {
    /// `1` or `2`.
    fileprivate static var proxyVersion: Self {
        EndpointArgumentFormat(
            .number,
            expected: "1 or 2",
            choices: ["1", "2"],
            read: { text in
                switch text {
                case "1": .v1
                case "2": .v2
                default: throw EndpointArgumentError()
                }
            },
            write: { "\($0.rawValue)" }
        )
    }
}

extension EndpointArgumentFormat where Value == SocketAddress {
    /// An IP address and a port, IPv6 in brackets: `192.0.2.1:80`, `[2001:db8::1]:80`.
    static var socketAddress: Self {
        EndpointArgumentFormat(
            expected: "an IP address and a port, as 192.0.2.1:80 or [2001:db8::1]:80",
            read: { text in
                let scalars = text.unicodeScalars
                guard let colon = scalars.lastIndex(of: ":"),
                    let port = try? EndpointArgumentFormat<UInt16>.port(in: 0...UInt16.max)
                        .read(String(scalars[scalars.index(after: colon)...]))
                else { throw EndpointArgumentError() }
                var ip = String(scalars[..<colon])
                let isBracketed = ip.hasPrefix("[") && ip.hasSuffix("]")
                if isBracketed { ip = String(ip.dropFirst().dropLast()) }
                guard isBracketed == ip.utf8.contains(UInt8(ascii: ":")),
                    let address = SocketAddress(literal: ip, port: port)
                else { throw EndpointArgumentError() }
                return address
            },
            write: { "\($0)" }
        )
    }
}
