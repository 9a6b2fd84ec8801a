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
        private var read: FrameRead<Decoder>
        private let fresh: Decoder

        init(_ connection: Connection, _ decoder: Decoder, limit: Int) {
            self.connection = connection
            read = FrameRead(whole: decoder, limit: limit)
            fresh = decoder
        }

        private nonisolated(nonsending) mutating func advance() async throws -> Decoder.Frame? {
            do { return try await read.next(of: connection) } catch {
                // Others may take from what came, so how far it was searched says nothing. The state
                // of a user's decoder is the user's.
                if Decoder.self == DelimitedFrames.self { read.restart(fresh) }
                throw error
            }
        }

        /// The next frame; `nil` at the peer's end.
        ///
        /// - Throws: ``EndpointError``: `unexpectedEnd` if the end cuts a frame off, `tooLong`, what
        ///   the decoder throws, and what reading throws.
        public mutating func next(isolation: isolated (any Actor)?) async throws -> Decoder.Frame? {
            try await advance()
        }

        /// The next frame; `nil` at the peer's end.
        ///
        /// - Throws: ``EndpointError``: `unexpectedEnd` if the end cuts a frame off, `tooLong`, what
        ///   the decoder throws, and what reading throws.
        public mutating func next() async throws -> Decoder.Frame? {
            try await advance()
        }
    }

    /// An iterator; one task may use one at a time.
    public func makeAsyncIterator() -> Iterator { Iterator(connection, decoder, limit: limit) }
}
