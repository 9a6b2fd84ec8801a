extension TLSClientEndpoint {
    /// Does TLS over the endpoint that reaches a server on this host, known by its address.
    ///
    /// `nil` where there is no host: the name is then only the caller's to know.
    init?(reaching endpoint: any ClientEndpoint) {
        self.init()
        if let tcp = endpoint as? TCPClientEndpoint {
            host = tcp.host
            port = tcp.port
        } else if let proxied = endpoint as? ProxyClientEndpoint,
            let tcp = proxied.endpoint as? TCPClientEndpoint
        {
            host = tcp.host
            port = tcp.port
            self.endpoint = endpoint
        } else {
            return nil
        }
    }
}
