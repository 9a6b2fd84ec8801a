// Certificates for the tests of the tool, made in this process in no time: an authority, and what it
// has signed. Each is a PEM file in a temporary folder that goes with the object.

import COpenSSL
import Endpoints
import Glibc
import Testing

final class TestCertificates: Sendable {
    let path: String

    /// Makes the folder and in it `ca.pem`.
    init() throws {
        var template = Array("/tmp/endpoint-tool-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw ToolError("no temporary folder") }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        try make("ca", isAuthority: true)
    }

    deinit {
        guard let folder = opendir(path) else { return }
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            unlink(file(name))
        }
        closedir(folder)
        rmdir(path)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Puts a text in a file of the folder.
    func write(_ text: String, to name: String) throws {
        let descriptor = open(file(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw ToolError("cannot write \(name)") }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw ToolError("cannot write \(name)")
        }
    }

    /// Has one file take the place of another, as certbot does it.
    func move(_ name: String, onto other: String) throws {
        guard rename(file(name), file(other)) == 0 else { throw ToolError("cannot move \(name)") }
    }

    /// Makes `NAME.pem`, key and certificate in one file, and `NAME.key`, the key alone.
    ///
    /// - Parameters:
    ///   - name: The file's, and the subject's common name.
    ///   - names: The subjectAltName.
    ///   - days: From when to when it is valid, from now.
    ///   - issuer: Who signs; `nil` is itself.
    ///   - isAuthority: Whether it may sign others.
    /// - Throws: What of it OpenSSL or the system refused.
    func make(
        _ name: String,
        names: String? = nil,
        days: ClosedRange<Int> = -1...30,
        by issuer: String? = nil,
        isAuthority: Bool = false
    ) throws {
        let key = try #require(Self.newKey())
        defer { EVP_PKEY_free(key) }
        let certificate = try #require(X509_new())
        defer { X509_free(certificate) }
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), Int.random(in: 1...0x7fff_ffff))
        X509_gmtime_adj(X509_getm_notBefore(certificate), days.lowerBound * 86_400)
        X509_gmtime_adj(X509_getm_notAfter(certificate), days.upperBound * 86_400)
        X509_set_pubkey(certificate, key)
        let subject = X509_get_subject_name(certificate)
        X509_NAME_add_entry_by_txt(subject, "CN", 0x1000, name, -1, -1, 0)
        X509_set_issuer_name(certificate, subject)
        if let names { try add(NID_subject_alt_name, names, to: certificate) }
        if isAuthority { try add(NID_basic_constraints, "critical,CA:TRUE", to: certificate) }
        if let issuer {
            let (issuerKey, issuerCertificate) = try load(issuer)
            defer {
                EVP_PKEY_free(issuerKey)
                X509_free(issuerCertificate)
            }
            X509_set_issuer_name(certificate, X509_get_subject_name(issuerCertificate))
            try #require(X509_sign(certificate, issuerKey, nil) > 0)
        } else {
            try #require(X509_sign(certificate, key, nil) > 0)
        }
        try save("\(name).pem", key, certificate)
        try save("\(name).key", key, nil)
    }

    private static func newKey() -> OpaquePointer? {
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil) else { return nil }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        EVP_PKEY_keygen_init(context)
        EVP_PKEY_keygen(context, &key)
        return key
    }

    private func add(_ nid: Int32, _ value: String, to certificate: OpaquePointer) throws {
        let made = try #require(X509V3_EXT_conf_nid(nil, nil, nid, value))
        defer { X509_EXTENSION_free(made) }
        try #require(X509_add_ext(certificate, made, -1) == 1)
    }

    private func load(_ name: String) throws -> (key: OpaquePointer, certificate: OpaquePointer) {
        let input = try #require(BIO_new_file(file("\(name).pem"), "r"))
        defer { BIO_free(input) }
        let key = try #require(PEM_read_bio_PrivateKey(input, nil, nil, nil))
        let certificate = try #require(PEM_read_bio_X509(input, nil, nil, nil))
        return (key, certificate)
    }

    private func save(_ name: String, _ key: OpaquePointer, _ certificate: OpaquePointer?) throws {
        let output = try #require(BIO_new_file(file(name), "w"))
        defer { BIO_free(output) }
        try #require(PEM_write_bio_PrivateKey(output, key, nil, nil, 0, nil, nil) == 1)
        if let certificate { try #require(PEM_write_bio_X509(output, certificate) == 1) }
        chmod(file(name), 0o600)
    }
}
