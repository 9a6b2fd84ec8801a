// Trust roots and revocation lists.
//
// The system's roots are read once and shared by all contexts, for reading them takes milliseconds;
// what is added to a store of explicit roots stays with its context. OpenSSL reports success when
// there are no system roots at all, and for a directory that does not exist, so both are looked at
// here: to trust nobody by accident should be said, and never become trust in everybody.

import CEndpoints
import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop

extension TLSContext {
    /// - Throws: ``TLSFileError``.
    func loadTrust() throws {
        switch settings.trustRoots {
        case nil, .insecurelyTrustsAnybody: return
        case .system: try loadSystemRoots()
        case .path(let path):
            let isDirectory = FileStamp(path).isDirectory
            try isDirectory ? loadDirectory(path) : loadFile(path)
        case .file(let path): try loadFile(path)
        case .directory(let path): try loadDirectory(path)
        }
        for file in settings.revocationLists {
            let pem = try PEMFile(file, argument: "revocationLists")
            let end = try pem.addRevocationLists(to: SSL_CTX_get_cert_store(pointer))
            revocationListsUntil = min(revocationListsUntil, end)
            note(pem.stamp)
        }
        var flags: UInt = 0
        if settings.trustRoots != .system { flags |= UInt(X509_V_FLAG_PARTIAL_CHAIN) }
        if settings.isStrict { flags |= UInt(X509_V_FLAG_X509_STRICT) }
        if !settings.revocationLists.isEmpty {
            flags |= UInt(X509_V_FLAG_CRL_CHECK) | UInt(X509_V_FLAG_CRL_CHECK_ALL)
        }
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(pointer), flags)
    }

    private func loadSystemRoots() throws {
        guard settings.revocationLists.isEmpty else {
            // Lists belong to this context alone.
            SSL_CTX_set_default_verify_paths(pointer)
            return try SystemRoots.refuseIfEmpty(SSL_CTX_get_cert_store(pointer))
        }
        try SystemRoots.withStore { SSL_CTX_set1_cert_store(pointer, $0) }
    }

    private func loadFile(_ path: String) throws {
        if FileStamp(path).isDirectory {
            throw TLSFileError(
                argument: settings.trustArgument,
                path: path,
                reason: "is a directory",
                errno: EISDIR
            )
        }
        let pem = try PEMFile(path, argument: settings.trustArgument)
        for certificate in try pem.certificates() { add(certificate) }
        note(pem.stamp)
    }

    private func loadDirectory(_ path: String) throws {
        note(FileStamp(path))
        let names = try FileReading.names(in: path, argument: settings.trustArgument)
        var count = 0
        for name in names where Self.isCertificateName(name) {
            let file = "\(path)/\(name)"
            let stamp = FileStamp(file)
            if stamp.isDirectory { continue }
            note(stamp)
            do {
                let pem = try PEMFile(file, argument: settings.trustArgument)
                for certificate in try pem.certificates() {
                    add(certificate)
                    count += 1
                }
            } catch let error as TLSFileError {
                warn("\(error.argument) \"\(error.path)\": \(error.reason); left out")
            }
        }
        if count > 0 { return }
        throw TLSFileError(
            argument: settings.trustArgument,
            path: path,
            reason: "no file in it holds a certificate",
            advice: "files whose names end in .pem, .crt or .cer count"
        )
    }

    private func add(_ certificate: TLSCertificate) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(pointer), certificate.pointer)
    }

    /// `x.pem`, `x.CRT`, or a hash as openssl-rehash(1) makes them: `2e5ac55d.0`.
    private static func isCertificateName(_ name: String) -> Bool {
        let lower = name.asciiLowercased
        if [".pem", ".crt", ".cer"].contains(where: lower.hasSuffix) { return true }
        let parts = lower.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].utf8.count == 8, !parts[1].isEmpty else { return false }
        let isHash = parts[0].utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
        }
        return isHash && parts[1].utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
}

/// The system's trust roots, as OpenSSL was built to find them.
enum SystemRoots {
    // Unchecked: looking up in a store is locked by OpenSSL (X509_STORE_new(3)).
    private struct Store: @unchecked Sendable {
        let pointer: OpaquePointer
        let origin: [FileStamp]
    }
    private static let store = Lock(Store?.none)

    /// Calls `body` with the store, which it may take a reference to.
    ///
    /// - Throws: ``TLSFileError`` if there are no roots.
    static func withStore(_ body: (OpaquePointer) -> Void) throws {
        try store.withLock { kept in
            let origin = [FileStamp(file), FileStamp(directory)]
            if kept?.origin != origin {
                guard let made = X509_STORE_new() else { return }
                X509_STORE_set_default_paths(made)
                ERR_clear_error()
                do { try refuseIfEmpty(made) } catch {
                    X509_STORE_free(made)
                    throw error
                }
                // The one before may be in use; contexts have references of their own.
                if let kept { X509_STORE_free(kept.pointer) }
                kept = Store(pointer: made, origin: origin)
            }
            if let kept { body(kept.pointer) }
        }
    }

    static func refuseIfEmpty(_ store: OpaquePointer?) throws {
        guard let store, endpoints_store_count(store) == 0 else { return }
        let names = (try? FileReading.names(in: directory, argument: "trustRoots")) ?? []
        if !names.isEmpty { return }
        throw TLSFileError(
            argument: "trustRoots",
            path: "system",
            reason: "the system has no trusted roots, neither in \(file) nor in \(directory)",
            advice: "install ca-certificates, or name a file or directory with trustRoots="
        )
    }

    private static var file: String {
        environment(X509_get_default_cert_file_env()) ?? text(X509_get_default_cert_file())
    }

    private static var directory: String {
        environment(X509_get_default_cert_dir_env()) ?? text(X509_get_default_cert_dir())
    }

    private static func text(_ pointer: UnsafePointer<CChar>?) -> String {
        pointer.map { String(cString: $0) } ?? ""
    }

    private static func environment(_ name: UnsafePointer<CChar>?) -> String? {
        name.flatMap { getenv($0) }.map { String(cString: $0) }
    }
}
