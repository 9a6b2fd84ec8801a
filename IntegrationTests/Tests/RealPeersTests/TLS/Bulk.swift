// A hundred mebibytes each way. The bytes are those of a cipher, so that nothing that is left out, put in
// or moved can go unnoticed; they are compared where they come, with what the kernel maps of the file.

import Endpoints
import Foundation
import RealPeers
import Testing

/// A file of bytes that are the same in each run.
struct Bulk: Sendable {
    let path: String
    let bytes: Data
    /// Its SHA-256, in hexadecimal.
    let digest: String

    /// Sends it, ends our direction, and expects it back with its digest behind it, and then the end.
    func exchange(over connection: Connection) async throws {
        async let sent: Void = {
            try await connection.sendFile(path)
            try await connection.closeWrite()
        }()
        let tail = try await expect(from: connection)
        #expect(tail == "\(digest)\n")
        try await sent
    }

    /// Reads it to the end, and answers what came behind it.
    func expect(from connection: Connection) async throws -> String {
        var count = 0
        var tail: [UInt8] = []
        var buffer = ReadBuffer()
        while try await connection.read(into: &buffer) > 0 {
            buffer.bytes.withUnsafeBytes { came in
                let expected = min(came.count, bytes.count - count)
                if !isSame(UnsafeRawBufferPointer(rebasing: came[..<expected]), at: count) {
                    Issue.record("other bytes behind the first \(count)")
                }
                count += expected
                tail += came[expected...]
            }
            buffer.removeAll()
        }
        #expect(count == bytes.count)
        return String(decoding: tail, as: UTF8.self)
    }

    private func isSame(_ came: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        bytes.withUnsafeBytes { bytes in
            let mine = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + came.count])
            guard let left = mine.baseAddress, let right = came.baseAddress else { return true }
            return memcmp(left, right, came.count) == 0
        }
    }
}

extension Peers {
    /// Makes a file of so many mebibytes.
    func bulk(mebibytes: Int = 100) async throws -> Bulk {
        let path = path("bulk")
        let script = """
            head -c \(mebibytes)M /dev/zero | openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 > \(path)
            sha256sum \(path)
            """
        let shell = try start("sh", "-c", script)
        let digest = String(decoding: try await shell.output.bytes(64), as: UTF8.self)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
        return Bulk(path: path, bytes: bytes, digest: digest)
    }

    /// Expects a file to be the same, byte for byte, with the digest behind it if it has one.
    func expectCopy(_ name: String, of bulk: Bulk, digest: Bool) async throws {
        let script = digest ? "{ cat \(bulk.path); echo \(bulk.digest); }" : "cat \(bulk.path)"
        let compared = try start("sh", "-c", "\(script) | cmp - \(path(name))")
        let (exit, text) = try await compared.toExit()
        #expect(exit == .status(0), "\(text)")
    }
}
