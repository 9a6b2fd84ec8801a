import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

/// What was agreed on in a TLS handshake.
public struct TLSFacts: Sendable, Hashable {
    /// The version.
    public let version: TLSVersion
    /// The cipher suite, by its IANA name.
    public let cipher: String
    /// The group of the key exchange; `nil` where there was none.
    public let group: String?
    /// The protocol that was agreed on by ALPN.
    public let applicationProtocol: String?
    /// The name that the client asked for (SNI, RFC 6066, section 3).
    public let serverName: String?
    /// Whether an earlier session was resumed.
    public let isResumed: Bool
    /// Whether the peer showed a certificate that was verified.
    public let isPeerVerified: Bool
    /// The peer's certificates as it sent them, its own first; resumed servers remember only that one.
    public let peerCertificates: [TLSCertificate]
    /// The chain from the peer's certificate to a trust root, where one was built.
    public let verifiedChain: [TLSCertificate]

    /// Reads what is agreed on, when the handshake is done.
    ///
    /// Before that, the certificates are those `presented`, and nothing is verified.
    init(
        _ ssl: OpaquePointer,
        isServer: Bool,
        verifies: Bool,
        serverName: String?,
        presented: [TLSCertificate] = []
    ) {
        version = TLSVersion(number: SSL_version(ssl)) ?? .tls12
        cipher =
            SSL_get_current_cipher(ssl).flatMap { SSL_CIPHER_standard_name($0) }
            .map { String(cString: $0) } ?? ""
        let number = endpoints_ssl_group(ssl)
        group = number == 0 ? nil : SSL_group_to_name(ssl, number).map { String(cString: $0) }
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &count)
        applicationProtocol = name.map {
            String(decoding: UnsafeBufferPointer(start: $0, count: Int(count)), as: UTF8.self)
        }
        self.serverName = serverName
        isResumed = SSL_session_reused(ssl) == 1
        var certificates = presented
        var chain: [TLSCertificate] = []
        if presented.isEmpty, let leaf = SSL_get1_peer_certificate(ssl) {
            certificates.append(TLSCertificate(owning: leaf))
            let sent = TLSCertificate.array(SSL_get_peer_cert_chain(ssl))
            // A server's list lacks the client's own certificate.
            certificates += isServer ? sent[...] : sent.dropFirst()
            if verifies { chain = TLSCertificate.array(SSL_get0_verified_chain(ssl)) }
        }
        peerCertificates = certificates
        verifiedChain = chain
        isPeerVerified =
            verifies && !certificates.isEmpty && SSL_get_verify_result(ssl) == Int(X509_V_OK)
    }
}

extension TLSCertificate {
    /// The certificates of a stack that somebody else owns.
    static func array(_ stack: OpaquePointer?) -> [TLSCertificate] {
        (0..<endpoints_x509_count(stack)).compactMap { index in
            endpoints_x509_at(stack, index).map { TLSCertificate(sharing: $0) }
        }
    }
}

extension Connection {
    /// What TLS agreed on; `nil` on connections without it.
    public nonisolated var tls: TLSFacts? { facts[TLSFacts.self] }
}
