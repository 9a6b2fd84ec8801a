// Why a certificate was refused, in words, with what was wanted and what was there.

import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

/// What a verification stumbled on.
struct CertificateRefusal {
    /// One of `X509_V_ERR_…`.
    let code: Int32
    /// How far from the peer's own certificate.
    let depth: Int
    /// The one that it stumbled on.
    let certificate: TLSCertificate?
    /// The peer's own.
    let leaf: TLSCertificate?
    /// Said in place of what the code means.
    let reason: String?

    /// `certificate is for "example.org", not "example.com"`; with the dates, if they are wrong, too.
    ///
    /// OpenSSL stops at the first thing that is wrong, and looks at the dates late.
    func sentence(wanted: ServerName?, at now: Int) -> String {
        let sentence = reasonOfRefusal(wanted: wanted)
        guard let leaf, code != X509_V_ERR_CERT_HAS_EXPIRED, code != X509_V_ERR_CERT_NOT_YET_VALID
        else { return sentence }
        if leaf.notAfter.secondsSince1970 < now {
            return "\(sentence); the peer's certificate also expired on \(leaf.notAfter)"
        }
        if now < leaf.notBefore.secondsSince1970 {
            return "\(sentence); the peer's certificate is also not valid before \(leaf.notBefore)"
        }
        return sentence
    }

    private func reasonOfRefusal(wanted: ServerName?) -> String {
        if certificate == nil, leaf == nil { return "the peer shows no certificate" }
        if let reason { return "certificate \(subject): \(reason)" }
        switch code {
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            let names = (leaf ?? certificate)?.names ?? []
            let shown = names.prefix(8).map { "\"\($0)\"" }.joined(separator: ", ")
            let more = names.count > 8 ? " and \(names.count - 8) more" : ""
            let offered =
                names.isEmpty
                ? "for no name (its subjectAltName is empty)" : "for \(shown)\(more)"
            return "certificate is \(offered), not \"\(wanted?.text ?? "")\""
        case X509_V_ERR_CERT_HAS_EXPIRED:
            let end = certificate.map { " on \($0.notAfter)" } ?? ""
            return "certificate \(subject) expired\(end)"
        case X509_V_ERR_CERT_NOT_YET_VALID:
            let start = certificate.map { " before \($0.notBefore)" } ?? ""
            return "certificate \(subject) is not valid\(start)"
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            return "certificate \(subject) is self-signed, and not trusted"
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            return "the chain ends at \(subject), which is not trusted"
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            let issuer = certificate.map { " \"\($0.issuer)\"" } ?? ""
            return "the issuer\(issuer) of certificate \(subject) is not trusted, nor was it sent"
        case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL:
            return "the key of certificate \(subject) is too weak"
        case X509_V_ERR_CA_MD_TOO_WEAK:
            return "the signature of certificate \(subject) is too weak (its digest)"
        case X509_V_ERR_CERT_REVOKED: return "certificate \(subject) has been revoked"
        case X509_V_ERR_CRL_HAS_EXPIRED:
            return "the revocation list for certificate \(subject) is out of date"
        case X509_V_ERR_UNABLE_TO_GET_CRL:
            return "there is no revocation list for certificate \(subject)"
        case X509_V_ERR_INVALID_PURPOSE:
            return "certificate \(subject) is not meant for this side of TLS (its usage)"
        case X509_V_ERR_INVALID_CA:
            return "certificate \(subject) issued another, and is not allowed to"
        case X509_V_ERR_PERMITTED_VIOLATION, X509_V_ERR_EXCLUDED_VIOLATION:
            return "certificate \(subject) has a name that its issuer may not vouch for"
        default:
            let text = X509_verify_cert_error_string(Int(code)).map { String(cString: $0) }
            return "certificate \(subject): \(text ?? "error \(code)")"
        }
    }

    /// What can be done about it.
    var advice: String? {
        switch code {
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY where depth == 0,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            "the peer should send its intermediate certificates, or trustRoots name the issuer"
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            "trustRoots can name it"
        default: nil
        }
    }

    private var subject: String {
        let text = certificate?.subject ?? leaf?.subject ?? ""
        return "\"\(text)\""
    }
}

/// What the peer's alerts mean (RFC 8446, section 6.2).
enum TLSAlert {
    static func sentence(_ number: Int32) -> String {
        let text = SSL_alert_desc_string_long(number).map { String(cString: $0) } ?? "\(number)"
        switch number {
        case SSL_AD_UNKNOWN_CA:
            return "the peer does not trust the issuer of our certificate (\(text))"
        case SSL_AD_CERTIFICATE_EXPIRED, SSL_AD_CERTIFICATE_REVOKED, SSL_AD_BAD_CERTIFICATE,
            SSL_AD_UNSUPPORTED_CERTIFICATE, SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_ACCESS_DENIED:
            return "the peer refuses our certificate (\(text))"
        case 116:
            // OpenSSL 3.0 has no name for this one.
            return "the peer wants a certificate of ours, and we have none (certificate required)"
        case SSL_AD_HANDSHAKE_FAILURE:
            return "the peer shares no cipher suite, or wants a certificate of ours (\(text))"
        case SSL_AD_PROTOCOL_VERSION:
            return "the peer speaks none of our versions of TLS (\(text))"
        case SSL_AD_UNRECOGNIZED_NAME: return "the peer has no certificate for the name (\(text))"
        case SSL_AD_NO_APPLICATION_PROTOCOL:
            return "the peer accepts none of our application protocols (\(text))"
        default: return "the peer ended it with an alert: \(text)"
        }
    }
}
