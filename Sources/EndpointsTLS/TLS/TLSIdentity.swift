import EndpointStrings
import EndpointsCore
import EndpointsNet

/// A private key and the certificate for it.
public struct TLSIdentity: Sendable, Hashable {
    /// A PEM file with the private key.
    public var privateKey: String
    /// A PEM file with the certificate, and perhaps the chain behind it; the key's file unless told.
    public var certificate: String?
    /// A PEM file with more certificates of the chain.
    public var chain: String?

    /// Makes one of PEM files.
    ///
    /// - Parameters:
    ///   - privateKey: The private key's file.
    ///   - certificate: The certificate's file; the key's own unless told.
    ///   - chain: More certificates of the chain.
    public init(privateKey: String, certificate: String? = nil, chain: String? = nil) {
        self.privateKey = privateKey
        self.certificate = certificate
        self.chain = chain
    }
}
