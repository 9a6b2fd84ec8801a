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
        return registry
    }()
}
