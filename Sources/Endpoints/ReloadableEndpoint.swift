// A wrapper's files are those of what it wraps: it forwards. What has none at all is not asked. Where
// there are layers, such as TLS in TLS, each reads its own: one whose files are wrong keeps what it
// had, and the others take what is new.

import Logging

/// An endpoint whose files can be read again while it listens.
///
/// A wrapper conforms by asking the endpoint that it wraps.
public protocol ReloadableEndpoint: ServerEndpoint {
    /// Reads the files again; connections made from now on use what they hold.
    ///
    /// - Throws: ``EndpointError``; then what could not be read stays as it was.
    func reload() throws
}

extension ServerEndpoint {
    /// Whether it, or what it wraps, has files to read again.
    package var isReloadable: Bool {
        if let proxy = self as? ProxyServerEndpoint { return proxy.endpoint.isReloadable }
        return self is any ReloadableEndpoint
    }

    /// Reads the files again, and tells in the log what should be known of them.
    ///
    /// - Throws: ``EndpointError``; then what could not be read stays as it was.
    package func reload(logger: Logger) throws {
        switch self {
        case let proxy as ProxyServerEndpoint:
            do { try proxy.endpoint.reload(logger: logger) } catch let error as EndpointError {
                throw error.of(endpoint: proxy.redacted)
            }
        case let tls as any TLSListening: try tls.reloadAndWarn(logger)
        case let other as any ReloadableEndpoint: try other.reload()
        default: return
        }
    }
}
