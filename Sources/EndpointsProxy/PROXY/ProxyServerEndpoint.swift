// A stage before those of the endpoint within: the header comes first on the connection, in the clear
// (`haproxy:tls:…` reads it before the handshake). Who may send one is decided by the socket's own
// peer, before a byte is read: behind the header is whatever its sender wants us to believe.

import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Listens where a proxy connects that sends PROXY headers: `haproxy:from=10.0.0.0/8:tcp:8080`.
///
/// Without `from=` everybody who can connect can send a header, and so claim any address. That is safe
/// only where nobody but the proxy can connect; `listen` logs a warning.
public struct ProxyServerEndpoint: ServerEndpoint, EndpointKind {
    /// The kind's name.
    public static let kind = "haproxy"
    /// What it is for.
    public static let summary = "listens where a proxy passes connections on, with PROXY headers"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<ProxyServerEndpoint>] = [
        .optional(
            "from",
            \.from,
            as: .trustedSources,
            help: "sources allowed to send headers: addresses, CIDR prefixes or unix"
        ),
        .optional("timeout", \.timeout, help: "seconds that the header may take"),
        .optional(
            "limit",
            \.limit,
            as: .integer(in: 216...65_535),
            help: "bytes that a header's addresses and TLVs may have together"
        ),
        .prefixed("endpoint", \.endpoint, help: "where to listen"),
    ]

    /// Who may send headers; `nil` is everybody, who can then claim any address.
    public var from: TrustedSources?
    /// How long the header may take; 10 seconds unless told.
    public var timeout: Duration = .seconds(10)
    /// How many bytes a version 2 header's addresses and TLVs may have together; 4096 unless told.
    public var limit = ProxyHeader.defaultLimit
    /// Where to listen.
    public var endpoint: any ServerEndpoint = TCPServerEndpoint()

    /// Makes an endpoint whose inner one is still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - endpoint: Where to listen.
    ///   - from: Who may send headers; `nil` is everybody.
    public init(_ endpoint: any ServerEndpoint, from: TrustedSources?) {
        self.endpoint = endpoint
        self.from = from
    }

    /// That it trusts everybody, if it does.
    public var warnings: [String] { from == nil ? [Self.trustsEverybody] : [] }

    static let trustsEverybody =
        "any client can send a PROXY header and claim any address; name the proxies with from="

    /// Listens; see ``ServerEndpoint/listen(in:)``.
    ///
    /// The listener yields a connection when its header is complete. One that has none, sends a wrong
    /// one, or comes from somebody else, is reset, and told of by ``Listener/events`` and the log.
    public func listen(in context: EndpointContext) async throws -> Listener {
        if from == nil {
            context.logger.warning(
                "PROXY headers trusted from any client",
                metadata: [
                    "endpoint": "\(context.name(of: self))", "warning": "\(Self.trustsEverybody)",
                ]
            )
        }
        let (from, limit) = (from, limit)
        var prepared = context.naming(self).preparing(
            "PROXY header",
            timeout: timeout,
            client: { ProxyClientEndpoint($0) },
            { connection in
                let peer = connection.realRemoteAddress
                if let from, !from.contains(peer) {
                    throw connection.proxyError(
                        .sourceNotTrusted,
                        "not one of those who may send a header (\(from))"
                    )
                }
                return try await connection.takingProxyHeader(limit: limit)
            }
        )
        prepared.request.stages[prepared.request.stages.count - 1].namesSource = true
        return try await endpoint.listen(in: prepared)
    }
}

extension ProxyServerEndpoint: ServerEndpointWrapper {
    /// Where to listen.
    public var inner: any ServerEndpoint {
        get { endpoint }
        set { endpoint = newValue }
    }
}

extension EndpointArgumentFormat where Value == TrustedSources {
    /// Addresses, prefixes and `unix`, with commas between them.
    public static var trustedSources: Self {
        EndpointArgumentFormat(
            expected: "IP addresses, prefixes or unix, with commas between them",
            read: { text in
                do throws(TrustedSources.ParseError) {
                    return try TrustedSources(text)
                } catch {
                    throw EndpointArgumentError(
                        "is no list of sources: \(error.message)",
                        hint: error.hint
                    )
                }
            },
            write: { $0.description }
        )
    }
}
