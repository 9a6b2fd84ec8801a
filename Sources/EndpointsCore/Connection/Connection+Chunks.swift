// Reading into fresh arrays: the convenient forms.
//
// Nothing is allocated before there is something to read. A small read goes through a block of the
// loop's and is copied into an array of just its size, so that a program may keep the arrays; when
// the last read was large the next goes straight into an array with room for as much.

import EventLoop

extension Connection {
    /// From this size on a copy costs more than the room it saves.
    private static let largeRead = 16_384

    /// Reads what has come, at most `limit` bytes; waits until there is something.
    ///
    /// Cancellation: no byte is lost, and the connection stays usable.
    ///
    /// - Parameter limit: At least 1.
    /// - Returns: The bytes; `nil` at the peer's end.
    /// - Throws: As ``read(into:)-(ReadBuffer)``; `invalidArgument` if `limit` is less than 1.
    public nonisolated(nonsending) func read(atMost limit: Int) async throws -> [UInt8]? {
        guard limit > 0 else {
            throw error(.invalidArgument, "read", reason: "the limit \(limit) is less than 1")
        }
        var buffer = ReadBuffer(capacity: Swift.min(limit, BlockPool.blockSize))
        let count = try await read(into: &buffer)
        return count == 0 ? nil : buffer.prefix(count)
    }

    /// Reads just `count` bytes; waits until all of them have come.
    ///
    /// Cancellation: what had come is the first that the next read gets.
    ///
    /// - Parameter count: 0 gives an empty array at once.
    /// - Returns: The bytes.
    /// - Throws: As ``read(into:)-(ReadBuffer)``; `unexpectedEnd` with what came, if the peer's end
    ///   is sooner; `invalidArgument` if `count` is negative.
    public nonisolated(nonsending) func read(exactly count: Int) async throws -> [UInt8] {
        guard count >= 0 else {
            throw error(.invalidArgument, "read", reason: "the count \(count) is negative")
        }
        var read = ExactRead(count: count)
        try await complete(&read)
        return read.bytes
    }
}

/// A read of just so many bytes.
private struct ExactRead: ReadInParts {
    let count: Int
    private(set) var bytes: [UInt8] = []

    init(count: Int) { self.count = count }

    mutating func advance(_ connection: Connection, _ here: OnLoop) throws -> Transfer {
        while bytes.count < count {
            // No more than is asked for: what follows may be for another reader, such as TLS.
            let wanted = min(count - bytes.count, BlockPool.blockSize)
            var buffer = ReadBuffer(capacity: wanted)
            let transfer = connection.attemptClaimedRead(into: &buffer, here)
            if transfer == .moved(0) { throw endedEarly(connection) }
            if !transfer.isMoved { return transfer }
            if bytes.isEmpty { bytes.reserveCapacity(wanted) }
            bytes.append(contentsOf: buffer.readable)
        }
        return .moved(count)
    }

    mutating func giveBack(to connection: Connection, _ here: OnLoop) {
        bytes.withUnsafeBytes { connection.pushBack($0, here) }
    }

    private func endedEarly(_ connection: Connection) -> EndpointError {
        connection.error(
            .unexpectedEnd,
            "read",
            reason: "the peer's end came after \(bytes.count) bytes",
            received: bytes
        )
    }
}

extension Connection: AsyncSequence {
    /// Bytes that came together.
    public typealias Element = [UInt8]
    /// What reading throws.
    public typealias Failure = any Error

    /// Reads one chunk after the other.
    public struct Iterator: AsyncIteratorProtocol {
        /// Bytes that came together.
        public typealias Element = [UInt8]
        /// What reading throws.
        public typealias Failure = any Error
        private let connection: Connection

        init(_ connection: Connection) { self.connection = connection }

        /// The next chunk, at most 96 KiB; `nil` at the peer's end.
        ///
        /// - Throws: As `Connection.read(atMost:)`.
        public mutating func next(isolation: isolated (any Actor)?) async throws -> [UInt8]? {
            try await connection.read(atMost: BlockPool.blockSize)
        }

        /// The next chunk, at most 96 KiB; `nil` at the peer's end.
        ///
        /// - Throws: As `Connection.read(atMost:)`.
        public mutating func next() async throws -> [UInt8]? {
            try await connection.read(atMost: BlockPool.blockSize)
        }
    }

    /// An iterator; one task may use one at a time.
    public nonisolated func makeAsyncIterator() -> Iterator { Iterator(self) }
}
