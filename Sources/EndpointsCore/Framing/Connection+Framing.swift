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
    ///   - limit: How many bytes may come without a frame; more throw `tooLong`. 1 MiB unless told.
    /// - Returns: A sequence that reads as it is iterated.
    public nonisolated func frames<Decoder: FrameDecoder>(
        _ decoder: Decoder,
        limit: Int = 1 << 20
    ) -> ConnectionFrames<Decoder> {
        ConnectionFrames(connection: self, decoder: decoder, limit: Swift.max(limit, 1))
    }

    nonisolated(nonsending) func nextLine(_ decoder: inout LineDecoder) async throws -> String? {
        let limit = decoder.limit + 2
        if let line = try await decodeNext(&decoder, limit: limit) { return line }
        return try await takeRest { buffer in try decoder.last(in: &buffer) }
    }

    nonisolated(nonsending) func nextFrame<Decoder: FrameDecoder>(
        _ decoder: inout Decoder,
        limit: Int
    ) async throws -> Decoder.Frame? {
        if let frame = try await decodeNext(&decoder, limit: limit) { return frame }
        return try await takeRest { buffer in
            if buffer.isEmpty { return nil }
            let received = buffer.prefix(buffer.count)
            buffer.removeAll()
            throw error(
                .unexpectedEnd,
                "read",
                reason: "the peer's end cut a frame off after \(received.count) bytes",
                received: received
            )
        }
    }

    /// Decodes from what is there, reading more while the decoder asks for it; `nil` at the end.
    private nonisolated(nonsending) func decodeNext<Decoder: FrameDecoder>(
        _ decoder: inout Decoder,
        limit: Int
    ) async throws -> Decoder.Frame? {
        do {
            if loop.isCurrent && ownsCurrentTask { return try await decode(&decoder, limit: limit) }
            return try await isolatedDecode(&decoder, limit: limit)
        } catch let error as EndpointError {
            // A decoder does not know whose bytes they are.
            throw error.naming(subject)
        }
    }

    private func isolatedDecode<Decoder: FrameDecoder>(
        _ decoder: inout Decoder,
        limit: Int
    ) async throws -> Decoder.Frame? {
        try beginClaim()
        var buffer = takeAllPushback()
        defer {
            putBack(&buffer)
            endClaim()
        }
        while true {
            if let frame = try decoder.next(in: &buffer) { return frame }
            if buffer.count > limit { throw frameTooLong(limit) }
            if try await claimedRead(into: &buffer) == 0 { return nil }
        }
    }

    private nonisolated(nonsending) func decode<Decoder: FrameDecoder>(
        _ decoder: inout Decoder,
        limit: Int
    ) async throws -> Decoder.Frame? {
        if readObstacles.isReading { throw refusal("read") }
        var buffer = takeAllPushback()
        do {
            while true {
                if let frame = try decoder.next(in: &buffer) {
                    putBack(&buffer)
                    return frame
                }
                if buffer.count > limit { throw frameTooLong(limit) }
                if try await read(into: &buffer) == 0 { break }
            }
            putBack(&buffer)
            return nil
        } catch {
            await returnAfterFailure(&buffer)
            throw error
        }
    }

    private nonisolated(nonsending) func returnAfterFailure(_ buffer: inout ReadBuffer) async {
        if loop.isCurrent { putBack(&buffer) } else { await isolatedPutBack(&buffer) }
    }

    private func isolatedPutBack(_ buffer: inout ReadBuffer) { putBack(&buffer) }

    private nonisolated(nonsending) func takeRest<Result: Sendable>(
        _ take: (inout ReadBuffer) throws -> Result
    ) async throws -> Result {
        var buffer = await removePushback()
        do { return try take(&buffer) } catch {
            await returnAfterFailure(&buffer)
            throw (error as? EndpointError)?.naming(subject) ?? error
        }
    }

    private func removePushback() -> sending ReadBuffer { takeAllPushback() }

    // MARK: the pushback, on the loop

    private nonisolated func takeAllPushback() -> ReadBuffer {
        guard readObstacles.contains(.pushback), let extras else {
            return ReadBuffer(capacity: .max)
        }
        readObstacles.remove(.pushback)
        var buffer = ReadBuffer(capacity: .max)
        swap(&buffer, &extras.pushback)
        return buffer
    }

    private nonisolated func putBack(_ buffer: inout ReadBuffer) {
        if buffer.isEmpty { return }
        let extras = makeExtras()
        swap(&buffer, &extras.pushback)
        readObstacles.insert(.pushback)
    }
}
