// Frames and lines of a connection. What was read beyond a frame is the connection's (its pushback),
// not the iterator's: it is there for the next iterator, or for a read of another form.

import EventLoop

extension Connection {
    /// Bytes that a frame may take when the decoder sets no limit of its own.
    static let frameLimit = 1 << 20

    /// The lines that come, as UTF-8; what is not UTF-8 is replaced by U+FFFD.
    ///
    /// A line ends with LF or CRLF; the last may lack it. What was read beyond the lines taken stays
    /// with the connection: a later read of any form gets it.
    ///
    /// Cancellation: no byte is lost, and the connection stays usable.
    ///
    /// - Parameter limit: The longest line, in bytes without its end; longer ones throw `tooLong`.
    /// - Returns: A sequence that reads as it is iterated.
    public nonisolated func lines(limit: Int = 65_536) -> ConnectionLines {
        ConnectionLines(connection: self, limit: boundedLimit(limit))
    }

    /// The frames that come, as `decoder` cuts them.
    ///
    /// What was read beyond the frames taken stays with the connection: a later read of any form gets
    /// it. A frame that the peer's end cuts off throws `unexpectedEnd`.
    ///
    /// Cancellation: no byte is lost, and the connection stays usable.
    public nonisolated func frames(_ decoder: DelimitedFrames) -> ConnectionFrames<DelimitedFrames>
    {
        ConnectionFrames(connection: self, decoder: decoder, limit: decoder.limit + 1)
    }

    /// The frames that come, each with its length before it; see ``frames(_:)-(DelimitedFrames)``.
    public nonisolated func frames<Length>(
        _ decoder: LengthPrefixedFrames<Length>
    ) -> ConnectionFrames<LengthPrefixedFrames<Length>> {
        let limit = decoder.limit + MemoryLayout<Length>.size
        return ConnectionFrames(connection: self, decoder: decoder, limit: limit)
    }

    /// The frames that come, as a decoder of one's own cuts them; see ``frames(_:)-(DelimitedFrames)``.
    ///
    /// - Parameters:
    ///   - decoder: Cuts the stream into frames.
    ///   - limit: How many bytes may come without a frame; more throw `tooLong`. Defaults to 1 MiB.
    /// - Returns: A sequence that reads as it is iterated.
    public nonisolated func frames<Decoder: FrameDecoder>(
        _ decoder: Decoder,
        limit: Int = 1 << 20
    ) -> ConnectionFrames<Decoder> {
        ConnectionFrames(connection: self, decoder: decoder, limit: Swift.max(limit, 1))
    }
}
