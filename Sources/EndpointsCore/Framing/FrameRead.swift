// Reading one frame or line: a read of several parts, between which what has come is the connection's
// pushback. So a read that ends half-way, whatever the reason, has nothing to give back.

import EventLoop

/// Reads frames, one each time that it is completed.
struct FrameRead<Decoder: FrameDecoder>: ReadInParts {
    private(set) var decoder: Decoder
    /// How many bytes may come without a frame.
    private let limit: Int
    /// Makes a frame of what the peer's end leaves, or throws.
    private let last: @Sendable (Decoder, inout ReadBuffer, Connection) throws -> Decoder.Frame?
    /// The frame; `nil` at the peer's end.
    private var frame: Decoder.Frame?
    /// Whether the decoder has seen all that has come.
    private var isDecoded = false

    init(
        _ decoder: Decoder,
        limit: Int,
        last: @escaping @Sendable (Decoder, inout ReadBuffer, Connection) throws -> Decoder.Frame?
    ) {
        self.decoder = decoder
        self.limit = limit
        self.last = last
    }

    /// Reads the next frame of `connection`; `nil` at the peer's end.
    nonisolated(nonsending) mutating func next(
        of connection: Connection
    ) async throws -> Decoder.Frame? {
        isDecoded = false
        defer { frame = nil }
        do { try await connection.complete(&self) } catch let error as EndpointError {
            // A decoder does not know whose bytes they are.
            throw error.naming(connection.subject)
        }
        return frame
    }

    /// Forgets what the decoder knows of what has come.
    mutating func restart(_ fresh: Decoder) { decoder = fresh }

    mutating func advance(_ connection: Connection, _ here: OnLoop) throws -> Transfer {
        var buffer = connection.takeAllPushback(here)
        defer { connection.putBack(&buffer, here) }
        while true {
            if !isDecoded {
                frame = try decoder.next(in: &buffer)
                if frame != nil { return .moved(1) }
                if buffer.count > limit { throw frameTooLong(limit) }
                isDecoded = true
            }
            let transfer = connection.attemptClaimedRead(into: &buffer, here)
            if transfer == .moved(0) {
                frame = try last(decoder, &buffer, connection)
                return transfer
            }
            if !transfer.isMoved { return transfer }
            isDecoded = false
        }
    }

    func giveBack(to connection: Connection, _ here: OnLoop) {}
}

extension FrameRead where Decoder == LineDecoder {
    /// Reads lines, the last of which may lack its end.
    init(_ decoder: LineDecoder) {
        self.init(decoder, limit: decoder.limit + 2) { decoder, buffer, _ in
            try decoder.last(in: &buffer)
        }
    }
}

extension FrameRead {
    /// Reads frames, none of which the peer's end may cut off.
    init(whole decoder: Decoder, limit: Int) {
        self.init(decoder, limit: limit) { _, buffer, connection in
            if buffer.isEmpty { return nil }
            let received = buffer.prefix(buffer.count)
            buffer.removeAll()
            throw connection.error(
                .unexpectedEnd,
                "read",
                reason: "the peer's end cut a frame off after \(received.count) bytes",
                received: received
            )
        }
    }
}
