import EndpointStrings
import EndpointsCore
import EndpointsNet

/// What a PROXY header said of a connection, and what the connection really is.
public struct ProxyFacts: Hashable, Sendable {
    /// The header as it came, its TLVs included.
    public let header: ProxyHeader
    /// Our own address on the connection to the proxy.
    public let realLocalAddress: SocketAddress
    /// The proxy: who really is at the other end.
    public let realRemoteAddress: SocketAddress

    /// The client's address as the header names it; `nil` if it names none, as in a health check.
    public var source: SocketAddress? { header.command == .proxy ? header.source : nil }
    /// The address that the client connected to, as the header names it.
    public var destination: SocketAddress? { header.command == .proxy ? header.destination : nil }
}

extension Connection {
    /// What a proxy said in the PROXY header; `nil` if there was none.
    public nonisolated var proxy: ProxyFacts? { facts[ProxyFacts.self] }
}

/// The two ends of a connection that is passed on: what a header sent for it says.
struct RelayedAddresses: Sendable {
    let source: SocketAddress
    let destination: SocketAddress
}

extension EndpointContext {
    /// A context for connecting on behalf of a client that has connected to us.
    ///
    /// An endpoint that tells for whom it connects, as `haproxy:` does, names this client.
    ///
    /// - Parameter connection: The client's connection; its addresses are those of its PROXY header, if it
    ///   came with one.
    /// - Returns: The context.
    public func relaying(_ connection: Connection) -> EndpointContext {
        var context = self
        context.request.values[RelayedAddresses.self] = RelayedAddresses(
            source: connection.remoteAddress,
            destination: connection.localAddress
        )
        return context
    }
}

extension EndpointError.Code {
    /// The peer's PROXY header is missing or wrong.
    public static let proxyHeaderInvalid = Self("proxyHeaderInvalid")
    /// The peer is none of those that may send a PROXY header.
    public static let sourceNotTrusted = Self("sourceNotTrusted")
}
