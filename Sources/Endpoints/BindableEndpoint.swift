/// A server's endpoint that has a string for each address that it listens on.
///
/// A wrapper conforms by asking the endpoint that it wraps. What does not conform is told by its own
/// string.
public protocol BindableEndpoint: ServerEndpoint {
    /// The endpoint that listens on just this address: with the real port where the string says 0.
    ///
    /// - Parameter address: One of ``Listener/addresses``.
    /// - Returns: The endpoint, which prints as the string for this address.
    func bound(to address: SocketAddress) -> any ServerEndpoint
}

extension TCPServerEndpoint: BindableEndpoint {
    /// The same with the address's port, and with its IP address in place of a name.
    public func bound(to address: SocketAddress) -> any ServerEndpoint {
        var copy = self
        copy.port = address.port ?? port
        copy.interface = boundInterface(interface, address)
        return copy
    }
}

extension TCP6ServerEndpoint: BindableEndpoint {
    /// The same with the address's port, and with its IP address in place of a name.
    public func bound(to address: SocketAddress) -> any ServerEndpoint {
        var copy = self
        copy.port = address.port ?? port
        copy.interface = boundInterface(interface, address)
        return copy
    }
}

extension TLSServerEndpoint: BindableEndpoint {
    /// The same with the address's port, and with its IP address in place of a name; over another
    /// endpoint, with that one bound.
    public func bound(to address: SocketAddress) -> any ServerEndpoint {
        var copy = self
        if let endpoint {
            copy.endpoint = (endpoint as? any BindableEndpoint)?.bound(to: address) ?? endpoint
        } else {
            copy.port = address.port ?? port
            copy.interface = boundInterface(interface, address)
        }
        return copy
    }
}

extension SSLServerEndpoint: BindableEndpoint {
    /// The same with the address's port, and with its IP address in place of a name.
    public func bound(to address: SocketAddress) -> any ServerEndpoint {
        var copy = self
        copy.port = address.port ?? port
        copy.interface = boundInterface(interface, address)
        return copy
    }
}

/// A name may mean several addresses; a literal, and what stands for all, is what it is.
private func boundInterface(_ interface: String, _ address: SocketAddress) -> String {
    if interface.isEmpty || HostName.family(ofLiteral: interface) != nil { return interface }
    return address.ip ?? interface
}
