import EndpointStrings
import EndpointsCore
import EndpointsNet

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
}
