import EndpointStrings
import EndpointsCore
import EndpointsNet

/// A user's name and password at a proxy.
struct ProxyCredentials: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    /// Why a proxy cannot be given these.
    struct InvalidCredentials: Error, Hashable, Sendable, CustomStringConvertible {
        var description: String
    }

    var user: String
    var password: String

    /// Never shows the password.
    var description: String { "\(user):…" }
    var debugDescription: String { description }
}
