// The key log: who can read it can decrypt the recorded traffic. So it must be a file that only we can
// read, and that nobody else has put there: in a directory such as /tmp, a link would have us append to
// another file of ours, and a file of somebody else's would hand him the keys.

import CEndpoints
import EndpointsCore

/// A file of secrets, for whoever has asked for it: a line is written with one call.
final class KeyLogFile: Sendable {
    private let descriptor: OwnedDescriptor

    /// Opens a regular file of our own that nobody else can read, or makes it.
    ///
    /// - Throws: ``TLSFileError``.
    init(_ path: String) throws {
        // Without O_NONBLOCK, opening a pipe would wait for its reader.
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
        let result = endpoints_open(path, flags, 0o600)
        guard result >= 0 else { throw Self.failure(path, errno: -result) }
        descriptor = OwnedDescriptor(result)
        var file = endpoints_file()
        let status = endpoints_fstat(result, &file)
        if status != 0 { throw Self.failure(path, errno: -status) }
        if let error = Self.refusal(of: file, at: path) { throw error }
    }

    /// Why a file that is there cannot be a key log; `nil` if it can, or if there is none.
    static func refusal(at path: String) -> TLSFileError? {
        var file = endpoints_file()
        let result = endpoints_lstat(path, &file)
        if result == -ENOENT { return nil }
        if result != 0 { return failure(path, errno: -result) }
        if endpoints_is_link(file.mode) != 0 { return failure(path, errno: ELOOP) }
        return refusal(of: file, at: path)
    }

    private static func refusal(of file: endpoints_file, at path: String) -> TLSFileError? {
        func refused(_ reason: String, _ advice: String? = nil) -> TLSFileError {
            TLSFileError(argument: "keyLog", path: path, reason: reason, advice: advice)
        }
        if endpoints_is_regular_file(file.mode) == 0 { return refused("is not a regular file") }
        if file.owner != geteuid() { return refused("belongs to another user") }
        if file.links > 1 { return refused("has more than one name (hard links)") }
        if file.mode & 0o077 != 0 {
            return refused("can be used by others than its owner", "chmod 600 makes it private")
        }
        return nil
    }

    private static func failure(_ path: String, errno code: Int32) -> TLSFileError {
        TLSFileError(
            argument: "keyLog",
            path: path,
            reason: code == ELOOP ? "is a symbolic link" : SystemError(errno: code).message,
            errno: code
        )
    }

    func append(_ line: UnsafePointer<CChar>) {
        var bytes = Array(UnsafeBufferPointer(start: line, count: strlen(line)))
            .map { UInt8(bitPattern: $0) }
        bytes.append(UInt8(ascii: "\n"))
        _ = endpoints_write(descriptor.rawValue, bytes, bytes.count)
        bytes.wipe()
    }
}
