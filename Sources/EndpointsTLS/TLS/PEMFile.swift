// PEM (RFC 7468): one file may hold keys and certificates in any order, with text between.

import CEndpoints
import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

/// A private key.
// Unchecked: OpenSSL's keys may be used by several threads (openssl-threads(7)).
final class PrivateKey: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { EVP_PKEY_free(pointer) }

    /// What ``TLSCertificate/keyDigest`` is for certificates that may fit.
    var digest: [UInt8] { TLSCertificate.digest(ofKey: pointer) }

    func fits(_ certificate: TLSCertificate) -> Bool {
        endpoints_clear_errors()
        defer { ERR_clear_error() }
        return X509_check_private_key(certificate.pointer, pointer) == 1
    }
}

/// A PEM file that was read.
struct PEMFile {
    let path: String
    let argument: String
    /// From before it was read: what is written meanwhile is a change.
    let stamp: FileStamp
    private let bytes: SecretBytes

    /// - Throws: ``TLSFileError`` if it cannot be read.
    init(_ path: String, argument: String) throws {
        self.path = path
        self.argument = argument
        stamp = FileStamp(path)
        bytes = try FileReading.secretBytes(of: path, argument: argument)
    }

    private func refusal(_ reason: String, _ advice: String? = nil) -> TLSFileError {
        TLSFileError(argument: argument, path: path, reason: reason, advice: advice)
    }

    private func withBIO<Result>(_ body: (OpaquePointer) throws -> Result) throws -> Result {
        try bytes.withBytes { buffer in
            guard buffer.count > 0,
                let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(clamping: buffer.count))
            else {
                throw refusal("is empty")
            }
            defer { BIO_free(bio) }
            return try body(bio)
        }
    }

    // MARK: certificates

    /// All certificates, in the order of the file.
    ///
    /// - Throws: ``TLSFileError`` if there is none, or one that cannot be decoded.
    func certificates() throws -> [TLSCertificate] {
        if bytes.count == 0 { throw refusal("is empty") }
        let certificates = try withBIO { bio in
            var found: [TLSCertificate] = []
            endpoints_clear_errors()
            while let x509 = endpoints_pem_certificate(bio, noPassphrase) {
                found.append(TLSCertificate(owning: x509))
            }
            let reason = endpoints_error_reason(ERR_peek_last_error())
            ERR_clear_error()
            if reason != PEM_R_NO_START_LINE {
                throw refusal("certificate \(found.count + 1) cannot be decoded")
            }
            return found
        }
        if certificates.isEmpty { throw refusal("holds no certificate", notPEM("x509")) }
        return certificates
    }

    private func notPEM(_ command: String) -> String? {
        if bytes.contains("-----BEGIN") { return nil }
        return bytes.withBytes(\.first) == 0x30
            ? "it seems to be DER; openssl \(command) -inform DER makes PEM of it"
            : "it is not PEM, whose blocks begin with -----BEGIN"
    }

    /// Adds the revocation lists to a store.
    ///
    /// - Returns: When the first of them expires, in seconds since 1970; `Int.max` for never.
    /// - Throws: ``TLSFileError`` if there is none.
    func addRevocationLists(to store: OpaquePointer) throws -> Int {
        let (count, end) = try withBIO { bio in
            var count = 0
            var end = Int.max
            endpoints_clear_errors()
            while let list = PEM_read_bio_X509_CRL(bio, nil, noPassphrase, nil) {
                X509_STORE_add_crl(store, list)
                if let next = X509_CRL_get0_nextUpdate(list) {
                    end = min(end, TLSCertificate.Time(next).secondsSince1970)
                }
                X509_CRL_free(list)
                count += 1
            }
            ERR_clear_error()
            return (count, end)
        }
        if count == 0 { throw refusal("holds no revocation list", notPEM("crl")) }
        return end
    }

    // MARK: keys

    var holdsPrivateKey: Bool { bytes.contains("PRIVATE KEY-----") }

    /// The first private key.
    ///
    /// - Throws: ``TLSFileError`` if there is none, it cannot be decoded, or the passphrase is
    ///   missing or wrong.
    func privateKey(_ passphrase: PassphraseProvider?) throws -> PrivateKey {
        if !holdsPrivateKey { throw refusal("holds no private key", notPEM("pkey")) }
        let isEncrypted = bytes.contains("ENCRYPTED")
        var secret: [UInt8] = []
        if isEncrypted {
            guard let passphrase else {
                throw refusal(
                    "the key is encrypted",
                    "give its passphrase, in a string as passphraseFile="
                )
            }
            do { secret = try passphrase.provide() } catch let error as TLSFileError {
                throw error
            } catch {
                throw refusal("the key is encrypted, and there is no passphrase: \(error)")
            }
        }
        defer { secret.wipe() }
        let key = try withBIO { bio in
            endpoints_clear_errors()
            defer { ERR_clear_error() }
            return withUnsafePointer(to: secret) { secret in
                endpoints_pem_key(bio, copyPassphrase, UnsafeMutableRawPointer(mutating: secret))
            }
        }
        if let key { return PrivateKey(key) }
        throw refusal(
            isEncrypted
                ? "the key cannot be decrypted: the passphrase is wrong, or the file damaged"
                : "the private key cannot be decoded"
        )
    }

    /// Parameters for DHE.
    ///
    /// - Throws: ``TLSFileError`` if there are none, or they are too weak.
    func dhParameters() throws -> PrivateKey {
        let parameters = try withBIO { bio in
            endpoints_clear_errors()
            defer { ERR_clear_error() }
            return PEM_read_bio_Parameters(bio, nil)
        }
        guard let parameters else { throw refusal("holds no DH parameters", notPEM("dhparam")) }
        let key = PrivateKey(parameters)
        guard EVP_PKEY_is_a(parameters, "DH") == 1 || EVP_PKEY_is_a(parameters, "DHX") == 1 else {
            throw refusal("the parameters are not for DH")
        }
        let bits = EVP_PKEY_get_bits(parameters)
        guard bits >= 2048 else {
            throw refusal(
                "the DH parameters have \(bits) bits, and fewer than 2048 are insecure",
                "openssl dhparam 2048 makes good ones; without the argument built-in ones serve"
            )
        }
        return key
    }
}

/// Never lets OpenSSL ask on the terminal.
private func noPassphrase(
    _: UnsafeMutablePointer<CChar>?,
    _: Int32,
    _: Int32,
    _: UnsafeMutableRawPointer?
) -> Int32 { 0 }

/// Hands out the passphrase behind `context`.
private func copyPassphrase(
    _ buffer: UnsafeMutablePointer<CChar>?,
    _ size: Int32,
    _: Int32,
    _ context: UnsafeMutableRawPointer?
) -> Int32 {
    guard let buffer, let context else { return 0 }
    let secret = context.assumingMemoryBound(to: [UInt8].self).pointee
    guard !secret.isEmpty, secret.count <= Int(size) else { return -1 }
    for (index, byte) in secret.enumerated() { buffer[index] = CChar(bitPattern: byte) }
    return Int32(secret.count)
}
