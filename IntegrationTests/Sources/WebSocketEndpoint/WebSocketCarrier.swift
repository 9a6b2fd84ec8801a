// A stream of bytes over WebSocket frames: two loops between one end of a memory pair, whose other
// end is the connection that the program gets, and the connection below.
//
//   program <-> handed out | stream <-> carrier <-> wire <-> peer
//
// Each loop reads one side and writes the other, so a peer that does not read stops the program's
// writes. Pongs go by a loop of their own: one that waits for room in the wire must not keep us from
// reading, or two peers that both write first would wait for each other. Only the newest ping is
// answered (RFC 6455, section 5.5.3).
//
// Ends. A close frame is a half-close: after ours we still hand on what comes, after the peer's we
// still send, as section 5.5.1 allows until our own close answers it. What the RFC does not promise is
// that the peer does as much; so after our close its silence has a limit. A stream that ends without a
// close frame was cut off, and reads as `truncated`, never as an end.

import Endpoints
import Logging

/// Moves one connection's bytes, in frames, until both sides have closed.
actor WebSocketCarrier {
    private let role: WebSocketRole
    private let wire: Connection
    private let stream: Connection
    private let closeTimeout: Duration
    private let logger: Logger
    private let encoder: WebSocketEncoder
    private var decoder: WebSocketDecoder
    private var random = SystemRandomNumberGenerator()
    private var hasSentClose = false
    private var hasFailed = false

    /// Lives with the connections: bytes do not change threads on their way.
    nonisolated var unownedExecutor: UnownedSerialExecutor { wire.unownedExecutor }

    /// Makes the program's connection, and begins to carry it.
    ///
    /// - Parameters:
    ///   - wire: The connection behind the handshake; it is used up.
    ///   - input: What was read behind the handshake.
    ///   - role: Which side we are.
    ///   - limit: How long a frame of the peer's may be.
    ///   - closeTimeout: How long the peer may be silent after our close.
    ///   - logger: Where to say why a connection was ended.
    /// - Returns: What to hand out in place of `wire`.
    static func carry(
        over wire: Connection,
        after input: [UInt8],
        role: WebSocketRole,
        limit: Int,
        closeTimeout: Duration,
        logger: Logger
    ) -> Connection {
        let (handedOut, stream) = Connection.memoryPair(over: wire)
        let carrier = WebSocketCarrier(wire, stream, role, limit, closeTimeout, logger)
        Task { await carrier.run(after: input) }
        return handedOut
    }

    private init(
        _ wire: Connection,
        _ stream: Connection,
        _ role: WebSocketRole,
        _ limit: Int,
        _ closeTimeout: Duration,
        _ logger: Logger
    ) {
        self.wire = wire
        self.stream = stream
        self.role = role
        self.closeTimeout = closeTimeout
        self.logger = logger
        encoder = WebSocketEncoder(role: role)
        decoder = WebSocketDecoder(role: role, limit: limit)
    }

    private func run(after input: [UInt8]) async {
        let (pings, newest) = AsyncStream.makeStream(
            of: [UInt8].self,
            bufferingPolicy: .bufferingNewest(1)
        )
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.orFail { try await self.send() } }
            group.addTask { await self.orFail { try await self.answer(pings) } }
            group.addTask {
                await self.orFail { try await self.receive(after: input, newest) }
                newest.finish()
            }
        }
        if !hasFailed { await end() }
    }

    // MARK: to the peer

    private func send() async throws {
        while let bytes = try await stream.read(atMost: 65_536) {
            try await wire.write(encoder.frame(bytes, using: &random))
        }
        try await sendClose(1000)
        wire.idleTimeout = closeTimeout
    }

    private func answer(_ pings: AsyncStream<[UInt8]>) async throws {
        for await payload in pings where !hasSentClose {
            try await wire.write(encoder.frame(payload, opcode: .pong, using: &random))
        }
    }

    private func sendClose(_ code: UInt16, _ reason: String = "") async throws {
        if hasSentClose { return }
        hasSentClose = true
        try await wire.write(encoder.close(code: code, reason: reason, using: &random))
    }

    // MARK: from the peer

    private func receive(
        after begin: [UInt8],
        _ pings: AsyncStream<[UInt8]>.Continuation
    ) async throws {
        var input = begin[...]
        while true {
            switch try await nextEvent(&input) {
            case .data(let bytes):
                do { try await stream.write(bytes) } catch {
                    // The program wants no more. It gets its goodbye, within a limit.
                    return try await withTimeout(closeTimeout) { try await skipToClose(input) }
                }
            case .ping(let payload):
                pings.yield(payload)
            case .pong:
                continue
            case .close:
                return try await stream.closeWrite()
            }
        }
    }

    private func skipToClose(_ rest: ArraySlice<UInt8>) async throws {
        var input = rest
        while true {
            if case .close = try await nextEvent(&input) { return }
        }
    }

    private func nextEvent(
        _ input: inout ArraySlice<UInt8>
    ) async throws -> WebSocketDecoder.Event {
        while true {
            if let event = try decoder.next(in: &input) { return event }
            guard let more = try await wire.read(atMost: 65_536) else {
                throw failure(.truncated, "the stream ended without a close frame")
            }
            input = more[...]
        }
    }

    // MARK: the end

    /// Both have closed; the server ends the connection first (section 7.1.1).
    private func end() async {
        if role == .client {
            try? await withTimeout(closeTimeout) {
                while try await wire.read(atMost: 65_536) != nil {}
            }
        }
        await wire.close()
        await stream.close()
    }

    /// Whatever fails ends all: the program reads why, behind what came before, and the peer reads a
    /// reset unless it is told.
    private func orFail(_ body: () async throws -> Void) async {
        do { try await body() } catch {
            if hasFailed { return }
            hasFailed = true
            logger.debug(
                "WebSocket ended",
                metadata: ["remote": "\(wire.remoteAddress)", "reason": "\(error)"]
            )
            stream.abort(with: failure(error))
            if let violation = error as? WebSocketViolation {
                try? await withTimeout(.seconds(1)) {
                    try await sendClose(violation.closeCode, violation.description)
                }
                await wire.close()
            }
            wire.abort()
        }
    }

    /// What the program is told.
    private func failure(_ error: any Error) -> EndpointError {
        switch error {
        case let error as EndpointError: error
        case let error as WebSocketViolation: failure(.webSocketViolation, error.description)
        case let error as TimeoutError: failure(.timedOut, "\(error)")
        default: failure(.closed, "\(error)")
        }
    }

    private func failure(_ code: EndpointError.Code, _ reason: String) -> EndpointError {
        EndpointError(
            code,
            operation: "read",
            endpoint: "websocket (\(wire.remoteAddress))",
            reason: reason
        )
    }
}

extension EndpointError.Code {
    /// What came were no WebSocket frames, or more than the limit allows.
    public static let webSocketViolation = Self("webSocketViolation")
}
