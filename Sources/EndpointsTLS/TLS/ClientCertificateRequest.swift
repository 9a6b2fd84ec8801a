import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Whether a server wants a certificate of its clients.
public enum ClientCertificateRequest: String, Sendable, Hashable, CaseIterable,
    EndpointArgumentValue
{
    /// It asks for none.
    case none
    /// It asks, and serves those that have none, too. A bad one is refused.
    case request
    /// It refuses who has none.
    case require
}
