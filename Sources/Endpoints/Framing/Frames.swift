/// The frames of a connection.
public struct ConnectionFrames<Decoder: FrameDecoder>: AsyncSequence, Sendable {
    /// A frame.
    public typealias Element = Decoder.Frame
    /// What reading and decoding throw.
    public typealias Failure = any Error
    let connection: Connection
    let decoder: Decoder
    let limit: Int

    /// Reads one frame after the other.
    public struct Iterator: AsyncIteratorProtocol {
        /// A frame.
        public typealias Element = Decoder.Frame
        /// What reading and decoding throw.
        public typealias Failure = any Error
        private let connection: Connection
        private var decoder: Decoder
        private let limit: Int

        init(_ connection: Connection, _ decoder: Decoder, limit: Int) {
            self.connection = connection
            self.decoder = decoder
            self.limit = limit
        }

        /// The next frame; `nil` at the peer's end.
        ///
        /// - Throws: ``EndpointError``: `unexpectedEnd` if the end cuts a frame off, `tooLong`, what
        ///   the decoder throws, and what reading throws.
        public mutating func next(isolation: isolated (any Actor)?) async throws -> Decoder.Frame? {
            try await connection.nextFrame(&decoder, limit: limit)
        }

        /// The next frame; `nil` at the peer's end.
        ///
        /// - Throws: ``EndpointError``: `unexpectedEnd` if the end cuts a frame off, `tooLong`, what
        ///   the decoder throws, and what reading throws.
        public mutating func next() async throws -> Decoder.Frame? {
            try await connection.nextFrame(&decoder, limit: limit)
        }
    }

    /// An iterator; one task may use one at a time.
    public func makeAsyncIterator() -> Iterator { Iterator(connection, decoder, limit: limit) }
}
