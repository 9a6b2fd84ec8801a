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

/// Makes the client endpoint that a string describes, of any standard kind; nothing is opened or looked up.
///
/// - Parameter string: The endpoint string.
/// - Returns: The endpoint.
/// - Throws: ``EndpointStringError``, which says what is wrong, where, and what to write instead.
public func clientFromString(_ string: String) throws -> any ClientEndpoint {
    try clientFromString(string, in: .standard)
}

/// Makes the server endpoint that a string describes, of any standard kind; nothing is opened or looked up.
///
/// - Parameter string: The endpoint string.
/// - Returns: The endpoint.
/// - Throws: ``EndpointStringError``, which says what is wrong, where, and what to write instead.
public func serverFromString(_ string: String) throws -> any ServerEndpoint {
    try serverFromString(string, in: .standard)
}
