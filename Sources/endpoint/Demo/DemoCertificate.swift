// A certificate for this run only: signed by itself, for the host's own names. Its key
// never leaves the demonstration's directory, which is readable by its owner alone.

import COpenSSL
import Endpoints
import Glibc

enum DemoCertificate {
    /// Writes a new key and its certificate to a file.
    ///
    /// - Throws: ``DemoFailure`` if OpenSSL refuses, ``EndpointError`` if the file cannot be written.
    static func write(to path: String) throws {
        let key = try makeKey()
        defer { EVP_PKEY_free(key) }
        guard let certificate = X509_new() else { throw refused("make a certificate") }
        defer { X509_free(certificate) }
        try fill(certificate, key)

        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0, let file = BIO_new_fd(descriptor, BIO_CLOSE) else {
            throw EndpointError(errno: errno, operation: "write", endpoint: path)
        }
        defer { BIO_free(file) }
        guard PEM_write_bio_PrivateKey(file, key, nil, nil, 0, nil, nil) == 1,
            PEM_write_bio_X509(file, certificate) == 1
        else { throw refused("write the certificate") }
    }

    private static func makeKey() throws -> OpaquePointer {
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil) else {
            throw refused("make a key")
        }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_keygen(context, &key) == 1, let key
        else {
            throw refused("make a key")
        }
        return key
    }

    private static func fill(_ certificate: OpaquePointer, _ key: OpaquePointer) throws {
        X509_set_version(certificate, 2)  // version 3 (RFC 5280, section 4.1.2.1)
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1)
        X509_gmtime_adj(X509_getm_notBefore(certificate), -60)
        X509_gmtime_adj(X509_getm_notAfter(certificate), 90 * 24 * 3600)
        X509_set_pubkey(certificate, key)
        let name = X509_get_subject_name(certificate)
        X509_NAME_add_entry_by_txt(name, "CN", utf8String, "localhost", -1, -1, 0)
        X509_set_issuer_name(certificate, name)
        let names = "DNS:localhost,IP:127.0.0.1"
        guard let extended = X509V3_EXT_conf_nid(nil, nil, NID_subject_alt_name, names) else {
            throw refused("name the certificate's hosts")
        }
        defer { X509_EXTENSION_free(extended) }
        // Ed25519 brings its own digest.
        guard X509_add_ext(certificate, extended, -1) == 1, X509_sign(certificate, key, nil) > 0
        else {
            throw refused("sign the certificate")
        }
    }

    /// `MBSTRING_UTF8` of asn1.h, a macro that Swift does not see.
    private static let utf8String: Int32 = 0x1000

    private static func refused(_ what: String) -> DemoFailure {
        ERR_clear_error()
        return DemoFailure("OpenSSL could not \(what)")
    }
}
