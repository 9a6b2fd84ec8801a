import EndpointStrings
import EndpointsCore

extension Listener {
    /// The endpoints by which a client on this host reaches the listener, one for each address.
    ///
    /// A listener on all addresses of the host is reached through the loopback address. What only the
    /// client can know (whose certificates it trusts, under which name it knows the server) keeps its
    /// default. Empty if a step before the connections, such as one of another package, has no client
    /// side.
    public nonisolated var clientEndpoints: [any ClientEndpoint] {
        zip(namedClients, addresses).compactMap { named, address in
            clientWrappers.reduce(named ?? address.client) { client, wrap in
                client.flatMap { wrap?($0) }
            }
        }
    }
}

extension SocketAddress {
    /// The endpoint by which a client on this host reaches a listener here; `nil` if none can.
    var client: (any ClientEndpoint)? {
        if let path { return UNIXClientEndpoint(path: path) }
        guard let family, let port, port > 0 else { return nil }
        let reachable = isUnspecified ? .loopback(family, port: port) : self
        return reachable.ip.map { TCPClientEndpoint(host: $0, port: port) }
    }
}
