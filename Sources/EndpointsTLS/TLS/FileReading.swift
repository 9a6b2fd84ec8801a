// Files named by a configuration: reading them, and telling whether they have changed.
//
// A stamp follows links, so it notices what certbot and Kubernetes do (a link is pointed at another
// directory), a rename over the file, and a file written in place.

import CEndpoints
import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Why a file that a configuration names cannot be used.
struct TLSFileError: Error {
    /// Which property or argument named the file.
    var argument: String
    var path: String
    var reason: String
    var errno: Int32 = 0
    var advice: String?

    /// `listen tls:8443: privateKey "/etc/app/key.pem": no such file or directory (ENOENT)`.
    func endpointError(operation: String, endpoint: String?) -> EndpointError {
        let shown = "\(argument) \"\(path)\": \(reason)"
        if errno != 0 {
            return EndpointError(
                errno: errno,
                operation: operation,
                endpoint: endpoint,
                reason: shown,
                advice: advice
            )
        }
        return EndpointError(
            .invalidArgument,
            operation: operation,
            endpoint: endpoint,
            reason: shown,
            advice: advice
        )
    }
}

extension TLSFileError: CheckableError {
    var finding: String {
        let code = errno == 0 ? "" : " (\(SystemError(errno: errno).name))"
        let file = path.isEmpty ? "" : "\"\(path)\": "
        return "\(file)\(reason)\(code)\(advice.map { "; \($0)" } ?? "")"
    }
}

enum FileReading {
    /// Certificates and keys are small; a device or a log is not meant.
    private static let most = 16 << 20

    /// - Throws: ``TLSFileError``.
    static func bytes(of path: String, argument: String) throws -> [UInt8] {
        try secretBytes(of: path, argument: argument).withBytes { Array($0) }
    }

    /// Reads what may hold a key: no copy of it stays behind.
    ///
    /// - Throws: ``TLSFileError``.
    static func secretBytes(of path: String, argument: String) throws -> SecretBytes {
        func failed(_ code: Int32) -> TLSFileError {
            let error = SystemError(errno: abs(code))
            return TLSFileError(
                argument: argument,
                path: path,
                reason: error.message,
                errno: abs(code)
            )
        }
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw TLSFileError(argument: argument, path: path, reason: "is no path of a file")
        }
        let file = endpoints_open(path, O_RDONLY | O_NONBLOCK, 0)
        if file < 0 { throw failed(file) }
        defer { _ = endpoints_close(file) }
        guard var bytes = SecretBytes(capacity: 16_384) else { throw failed(ENOMEM) }
        while bytes.count < most {
            if bytes.isFull {
                guard let larger = bytes.grown() else { throw failed(ENOMEM) }
                bytes = larger
            }
            let count = bytes.append { endpoints_read(file, $0.baseAddress, $0.count) }
            if count < 0 { throw failed(Int32(count)) }
            if count == 0 { return bytes }
        }
        throw TLSFileError(argument: argument, path: path, reason: "is larger than 16 MiB")
    }

    /// The names in a directory, sorted; without those that begin with a dot.
    ///
    /// - Throws: ``TLSFileError``.
    static func names(in path: String, argument: String) throws -> [String] {
        var code = ENOENT
        let isPath = !path.isEmpty && !path.utf8.contains(0)
        guard isPath, let directory = endpoints_open_directory(path, &code) else {
            let error = SystemError(errno: code)
            throw TLSFileError(
                argument: argument,
                path: path,
                reason: error.message,
                errno: code
            )
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }
}

/// What tells one state of a file from another.
struct FileStamp: Hashable, Sendable {
    let path: String
    private let device: UInt64
    private let inode: UInt64
    private let size: Int64
    private let seconds: Int
    private let nanoseconds: Int
    let isDirectory: Bool
    /// Whether others than its owner and group may read it.
    let isReadableByOthers: Bool

    /// What a file is known by, whatever its path.
    struct Identity: Hashable {
        fileprivate let device: UInt64
        fileprivate let inode: UInt64
    }
    var identity: Identity { Identity(device: device, inode: inode) }

    /// The state now; a file that is not there has one, too.
    init(_ path: String) {
        self.path = path
        var status = stat()
        if stat(path, &status) != 0 { status = stat() }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
        isDirectory = status.st_mode & 0o170000 == 0o040000
        isReadableByOthers = status.st_mode & 0o004 != 0
    }

    /// Whether there is a file.
    var exists: Bool { inode != 0 }
    var isCurrent: Bool { FileStamp(path) == self }
}
