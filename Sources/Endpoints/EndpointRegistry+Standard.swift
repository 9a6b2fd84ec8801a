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

    /// The standard kinds that reach the network and nothing else, for strings from untrusted hands.
    ///
    /// No programs (`process:`), no descriptors (`fd:`, `stdio:`, `systemd:`), no UNIX or in-memory
    /// sockets, no file to write (`keyLog=`), and no file whose contents are sent (`passwordFile=`), in
    /// endpoints within as well. Use it for every string that somebody else than the operator has
    /// written or filled in, and ``EndpointRegistry/standard`` for the operator's own.
    ///
    /// Hosts and ports are not limited: `tcp:127.0.0.1:22` is allowed. Certificate and key files may be
    /// named and are read: an error shows whether such a file exists.
    public static let network = EndpointRegistry.standard.refusing(Set(EndpointPower.allCases))
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
