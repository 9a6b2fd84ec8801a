import Logging

/// A server endpoint around another one, which does the listening.
///
/// Whatever an endpoint can do besides listening, such as reloading its files, a wrapper forwards to the
/// inner endpoint.
public protocol ServerEndpointWrapper: ServerEndpoint {
    /// The endpoint inside.
    var inner: any ServerEndpoint { get set }
}

extension ServerEndpointWrapper {
    /// The same wrapper around the endpoint that listens on just this address.
    public func bound(to address: SocketAddress) -> any ServerEndpoint {
        var copy = self
        copy.inner = inner.bound(to: address)
        return copy
    }

    /// Whether the inner endpoint has files to read again.
    public var isReloadable: Bool { inner.isReloadable }

    /// Makes the inner endpoint read its files again.
    ///
    /// - Throws: ``EndpointError``, which names this wrapper; then whatever could not be read stays as it
    ///   was.
    public func reload(logger: Logger) throws {
        do {
            try inner.reload(logger: logger)
        } catch let error as EndpointError {
            throw error.of(endpoint: redacted)
        }
    }
}
