import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop

/// What both sides of TLS can be told.
struct TLSSettings {
    var minimumVersion: TLSVersion
    var maximumVersion: TLSVersion?
    var ciphers: String?
    var cipherSuites: String?
    var groups: String?
    var applicationProtocols: [String]
    var trustRoots: TrustRoots?
    var trustArgument: String
    var revocationLists: [String]
    var isStrict: Bool
    var pins: [TLSPin]
    var verification: (@Sendable ([TLSCertificate]) throws -> Void)?
    var toleratesTruncation: Bool
    var keyLog: String?
    /// How long after its full handshake a session can be resumed, in seconds.
    var sessionLifetime: Int
    /// The time, in seconds since 1970.
    var now: @Sendable () -> Int
}

extension TLSSettings {
    /// A lifetime in whole seconds; seven days at most (RFC 8446, section 4.6.1).
    static func sessionLifetime(_ duration: Duration) -> Int {
        min(max(1, duration.secondsClamped), 7 * 86_400)
    }
}
