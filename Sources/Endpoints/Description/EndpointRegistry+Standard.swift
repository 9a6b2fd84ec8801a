extension EndpointRegistry {
    /// The kinds that this library brings.
    public static let standard: EndpointRegistry = {
        var registry = EndpointRegistry()
        registry.register(TCPClientEndpoint.self)
        registry.register(TCP6ClientEndpoint.self)
        registry.register(UNIXClientEndpoint.self)
        registry.register(TCPServerEndpoint.self)
        registry.register(TCP6ServerEndpoint.self)
        registry.register(UNIXServerEndpoint.self)
        registry.register(StdioEndpoint.self)
        registry.register(TLSClientEndpoint.self)
        registry.register(SSLClientEndpoint.self)
        registry.register(TLSServerEndpoint.self)
        registry.register(SSLServerEndpoint.self)
        registry.register(ProxyClientEndpoint.self)
        registry.register(ProxyServerEndpoint.self)
        registry.register(SOCKS5ClientEndpoint.self)
        registry.register(HTTPConnectClientEndpoint.self)
        registry.register(DescriptorEndpoint.self)
        registry.register(SystemdEndpoint.self)
        registry.register(ProcessEndpoint.self)
        registry.register(MemoryClientEndpoint.self)
        registry.register(MemoryServerEndpoint.self)
        return registry
    }()
}
