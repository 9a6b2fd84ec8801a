import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Which side of TLS to be, for ``Connection/startTLS(_:timeout:)``.
public enum TLSRole: Sendable {
    /// The client; the peer must prove that it is `serverName`, a DNS name or an IP address.
    case client(serverName: String, TLSClientConfiguration = TLSClientConfiguration())
    /// The server.
    case server(TLSServerConfiguration)
}
