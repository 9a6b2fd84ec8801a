extension SocketAddress {
    /// The endpoint by which a client on this host reaches what listens here; `nil` if none can.
    var client: (any ClientEndpoint)? {
        if let path { return UNIXClientEndpoint(path: path) }
        guard let family, let port, port > 0 else { return nil }
        let reachable = isUnspecified ? .loopback(family, port: port) : self
        return reachable.ip.map { TCPClientEndpoint(host: $0, port: port) }
    }
}
