// Lines end with LF or CRLF; the last may lack it. The limit counts the bytes of a line without its
// end, so that a peer can make us hold no more than that and two bytes.

/// Cuts a stream into lines.
struct LineDecoder: FrameDecoder {
    let limit: Int
    private var searched = 0

    init(limit: Int) { self.limit = limit }

    mutating func next(in buffer: inout ReadBuffer) throws -> String? {
        guard let end = buffer.firstIndex(of: UInt8(ascii: "\n"), from: searched) else {
            // One byte over the limit may be the CR of the line's end.
            if buffer.count > limit + 1 { throw lineTooLong }
            searched = buffer.count
            return nil
        }
        searched = 0
        let line = try text(of: buffer, upTo: end)
        buffer.removeFirst(end + 1)
        return line
    }

    /// What is left at the stream's end, as a line.
    func last(in buffer: inout ReadBuffer) throws -> String? {
        if buffer.isEmpty { return nil }
        if buffer.count > limit { throw lineTooLong }
        let line = String(decoding: buffer.readable, as: UTF8.self)
        buffer.removeAll()
        return line
    }

    private func text(of buffer: borrowing ReadBuffer, upTo end: Int) throws -> String {
        let endsWithCR = end > 0 && buffer[end - 1] == UInt8(ascii: "\r")
        let count = endsWithCR ? end - 1 : end
        if count > limit { throw lineTooLong }
        return String(decoding: buffer.readable[..<count], as: UTF8.self)
    }

    private var lineTooLong: EndpointError {
        EndpointError(
            .tooLong,
            operation: "read",
            reason: "the line is longer than \(limit) bytes"
        )
    }
}

/// The lines of a connection, each without its end.
public struct ConnectionLines: AsyncSequence, Sendable {
    /// A line.
    public typealias Element = String
    /// What reading throws.
    public typealias Failure = any Error
    let connection: Connection
    let limit: Int

    /// Reads one line after the other.
    public struct Iterator: AsyncIteratorProtocol {
        /// A line.
        public typealias Element = String
        /// What reading throws.
        public typealias Failure = any Error
        private let connection: Connection
        private let limit: Int
        private var read: FrameRead<LineDecoder>

        init(_ connection: Connection, limit: Int) {
            self.connection = connection
            self.limit = limit
            read = FrameRead(LineDecoder(limit: limit))
        }

        private nonisolated(nonsending) mutating func advance() async throws -> String? {
            do { return try await read.next(of: connection) } catch {
                // Others may take from what came, so how far it was searched says nothing.
                read.restart(LineDecoder(limit: limit))
                throw error
            }
        }

        /// The next line; `nil` at the peer's end.
        ///
        /// - Throws: ``EndpointError``: `tooLong`, and what reading throws.
        public mutating func next(isolation: isolated (any Actor)?) async throws -> String? {
            try await advance()
        }

        /// The next line; `nil` at the peer's end.
        ///
        /// - Throws: ``EndpointError``: `tooLong`, and what reading throws.
        public mutating func next() async throws -> String? {
            try await advance()
        }
    }

    /// An iterator; one task may use one at a time.
    public func makeAsyncIterator() -> Iterator { Iterator(connection, limit: limit) }
}
