// Trust roots and revocation lists.
//
// The contexts of a configuration share one store, however many certificates a server has. The system's
// roots are shared by all configurations, for reading them takes milliseconds, and read again by a
// configuration that is made or reloaded after they have changed. OpenSSL reports success when
// there are no system roots at all, and for a directory that does not exist, so both are looked at
// here: to trust nobody by accident should be said, and never become trust in everybody.

import CEndpoints
import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop

/// Whom a configuration trusts: certificates and revocation lists.
// Unchecked: looking up in a store is locked by OpenSSL (X509_STORE_new(3)); all else is constant once
// it is made.
final class TrustStore: @unchecked Sendable {
    let pointer: OpaquePointer
    /// When the first revocation list expires, in seconds since 1970; `Int.max` for never.
    private(set) var listsUntil = Int.max
    private(set) var files: [FileStamp] = []
    private(set) var warnings: [String] = []
    private let argument: String

    /// Reads the files.
    ///
    /// - Throws: ``TLSFileError``.
    init(_ settings: TLSSettings) throws {
        argument = settings.trustArgument
        // Lists belong to this configuration alone.
        let isShared = settings.trustRoots == .system && settings.revocationLists.isEmpty
        // Stamps from before the reading: what is written meanwhile is a change.
        if settings.trustRoots == .system { files = SystemRoots.stamps }
        guard let store = isShared ? try SystemRoots.store() : X509_STORE_new() else {
            throw TLSFileError(argument: argument, path: "", reason: "OpenSSL has no memory for it")
        }
        pointer = store
        // From here on `deinit` frees the store, also when something throws.
        if isShared { return }
        switch settings.trustRoots {
        case nil, .insecurelyTrustsAnybody: break
        case .system:
            X509_STORE_set_default_paths(pointer)
            ERR_clear_error()
            try SystemRoots.refuseIfEmpty(pointer)
        case .path(let path):
            let isDirectory = FileStamp(path).isDirectory
            try isDirectory ? loadDirectory(path) : loadFile(path)
        case .file(let path): try loadFile(path)
        case .directory(let path): try loadDirectory(path)
        }
        for file in settings.revocationLists {
            let pem = try PEMFile(file, argument: "revocationLists")
            listsUntil = min(listsUntil, try pem.addRevocationLists(to: pointer))
            files.append(pem.stamp)
        }
    }

    deinit { X509_STORE_free(pointer) }

    private func loadFile(_ path: String) throws {
        if FileStamp(path).isDirectory {
            throw TLSFileError(
                argument: argument,
                path: path,
                reason: "is a directory",
                errno: EISDIR
            )
        }
        let pem = try PEMFile(path, argument: argument)
        for certificate in try pem.certificates() {
            X509_STORE_add_cert(pointer, certificate.pointer)
        }
        files.append(pem.stamp)
    }

    private func loadDirectory(_ path: String) throws {
        files.append(FileStamp(path))
        let names = try FileReading.names(in: path, argument: argument)
        var count = 0
        for name in names where Self.isCertificateName(name) {
            let file = "\(path)/\(name)"
            let stamp = FileStamp(file)
            if stamp.isDirectory { continue }
            files.append(stamp)
            do {
                let pem = try PEMFile(file, argument: argument)
                for certificate in try pem.certificates() {
                    X509_STORE_add_cert(pointer, certificate.pointer)
                    count += 1
                }
            } catch let error as TLSFileError {
                warnings.append("\(error.argument) \"\(error.path)\": \(error.reason); left out")
            }
        }
        if count > 0 { return }
        throw TLSFileError(
            argument: argument,
            path: path,
            reason: "no file in it holds a certificate",
            advice: "files whose names end in .pem, .crt or .cer count"
        )
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
    private static let current = Lock(Store?.none)

    /// The files that tell whether the roots have changed.
    static var stamps: [FileStamp] { [FileStamp(file), FileStamp(directory)] }

    /// The store as the files are now, with a reference for the caller; `nil` without memory.
    ///
    /// - Throws: ``TLSFileError`` if there are no roots.
    static func store() throws -> OpaquePointer? {
        try current.withLock { kept in
            let origin = stamps
            if kept?.origin != origin {
                guard let made = X509_STORE_new() else { return nil }
                X509_STORE_set_default_paths(made)
                ERR_clear_error()
                do { try refuseIfEmpty(made) } catch {
                    X509_STORE_free(made)
                    throw error
                }
                // Whoever uses the one before has a reference of its own.
                if let kept { X509_STORE_free(kept.pointer) }
                kept = Store(pointer: made, origin: origin)
            }
            if let kept { X509_STORE_up_ref(kept.pointer) }
            return kept?.pointer
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
