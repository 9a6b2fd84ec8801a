// Sending a file: by sendfile(2) where the lowest transport carries the bytes as they are, else
// through a buffer. Reading a regular file blocks the loop for as long as the disk takes; the size of
// a step bounds that.

import CEndpoints
import EventLoop

extension Connection {
    /// Writes the contents of a file, as one atomic write.
    ///
    /// sendfile(2) on a plain socket, so the bytes do not pass through the program.
    ///
    /// A file that cannot be read to its end is like a write that was cancelled: if some of it has
    /// left, writing is over, and ``close()`` resets.
    ///
    /// Cancellation: as of ``write(_:)-(ReadBuffer)``.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - offset: Where to begin, in bytes.
    ///   - count: How many bytes; `nil` for all up to the file's end, which may come sooner.
    /// - Returns: How many bytes were sent.
    /// - Throws: `CancellationError`, or ``EndpointError``: `notFound`, `permissionDenied`,
    ///   `invalidArgument` if a number is negative or `path` is no regular file, and what writing
    ///   throws.
    @discardableResult
    public nonisolated(nonsending) func sendFile(
        _ path: String,
        offset: Int = 0,
        count: Int? = nil
    ) async throws -> Int {
        guard offset >= 0, count ?? 0 >= 0, !path.utf8.contains(0) else {
            throw invalidFile(path, "an offset or count is negative, or the path holds a NUL")
        }
        // Not to block on a FIFO without a writer; a regular file does not mind.
        let file = endpoints_open(path, O_RDONLY | O_NONBLOCK, 0)
        if file < 0 { throw EndpointError(errno: file, operation: "open", endpoint: path) }
        defer { _ = endpoints_close(file) }
        // A pipe has no offset, and a device no end.
        var facts = endpoints_file()
        guard endpoints_fstat(file, &facts) == 0, endpoints_is_regular_file(facts.mode) != 0 else {
            throw invalidFile(path, "not a regular file")
        }
        return try await isolatedSendFile(file, path, offset, count ?? .max)
    }

    private nonisolated func invalidFile(_ path: String, _ reason: String) -> EndpointError {
        EndpointError(
            .invalidArgument,
            operation: "send",
            endpoint: "\"\(path)\"",
            reason: reason
        )
    }

    private func isolatedSendFile(
        _ file: Int32,
        _ path: String,
        _ offset: Int,
        _ count: Int
    ) async throws -> Int {
        var sending = FileToSend(file: file, offset: offset, left: count)
        try await takeWriteTurn()
        defer { passWriteTurn() }
        do {
            try await keepWriting(
                hasBegun: { sending.sent > 0 },
                isWhole: { sending.isWhole },
                step: {
                    try sending.step(to: transport, isPlain: isPlain)
                }
            )
        } catch let error as FileReadError {
            // The peer cannot tell that it has only a part.
            if sending.sent > 0 { breakStream() }
            throw EndpointError(errno: error.code, operation: "read", endpoint: path)
        }
        return sending.sent
    }
}

/// Reading the file failed, and not the connection.
private struct FileReadError: Error {
    let code: Int32
}

/// A file on its way.
private struct FileToSend {
    let file: Int32
    var offset: Int
    var left: Int
    private(set) var sent = 0
    private var useBuffer = false
    private var buffered: [UInt8] = []
    private var bufferedStart = 0

    init(file: Int32, offset: Int, left: Int) {
        self.file = file
        self.offset = offset
        self.left = left
    }

    /// Sends some more; `nil` when all is sent.
    mutating func step(to transport: any Transport, isPlain: Bool) throws -> Transfer? {
        if left == 0 && bufferedStart == buffered.count { return nil }
        if isPlain && !useBuffer {
            if let transfer = transport.base.sendFile(file, offset: &offset, count: left) {
                if transfer == .moved(0) { return nil }
                if transfer.rawValue > 0 { note(transfer.rawValue) }
                return transfer
            }
            useBuffer = true
        }
        if bufferedStart == buffered.count { try refill() }
        if bufferedStart == buffered.count { return nil }
        let transfer = buffered.withUnsafeBytes { bytes in
            transport.write(UnsafeRawBufferPointer(rebasing: bytes[bufferedStart...]))
        }
        if transfer.rawValue > 0 {
            bufferedStart += transfer.rawValue
            sent += transfer.rawValue
        }
        return transfer
    }

    /// Whether there is nothing left to send.
    var isWhole: Bool {
        guard bufferedStart == buffered.count else { return false }
        var byte: UInt8 = 0
        return left == 0 || endpoints_pread(file, &byte, 1, offset) == 0
    }

    private mutating func note(_ count: Int) {
        sent += count
        left -= count
    }

    private mutating func refill() throws {
        let wanted = min(left, BlockPool.blockSize)
        var result = 0
        buffered = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            result = endpoints_pread(file, buffer.baseAddress, wanted, offset)
            count = max(result, 0)
        }
        if result < 0 { throw FileReadError(code: Int32(result)) }
        bufferedStart = 0
        offset += buffered.count
        left = buffered.isEmpty ? 0 : left - buffered.count
    }
}
