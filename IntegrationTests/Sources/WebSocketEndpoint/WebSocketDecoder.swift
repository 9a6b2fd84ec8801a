// RFC 6455's frames under a stream of bytes, as a value.
//
// A stream knows no messages, so the payload of data frames is handed on as it comes, a part of a
// frame at a time: no frame needs more memory than a short one. Text is taken as the bytes that it is. Control frames may stand between the fragments of a message; they are small and
// are handed on whole.
//
//   0       FIN, three reserved bits, opcode
//   1       MASK, length: 0...125, or 126 (two bytes follow), or 127 (eight)
//   …       the key of four bytes, if MASK
//   …       payload; each byte XORed with the key's byte of its index modulo 4
//
// Client to server is masked, server to client is not (section 5.1), and each side must fail the
// connection if it is otherwise.

/// Which side of the connection we are.
public enum WebSocketRole: Hashable, Sendable {
    /// We asked for the WebSocket, and mask what we send.
    case client
    /// We were asked.
    case server
}

/// Why the peer's bytes are not WebSocket frames.
public struct WebSocketViolation: Error, Hashable, Sendable, CustomStringConvertible {
    /// The status code to close with (section 7.4.1).
    public var closeCode: UInt16
    /// What is wrong.
    public var description: String
}

/// Reads the peer's frames.
public struct WebSocketDecoder: Sendable {
    /// What has come.
    public enum Event: Hashable, Sendable {
        /// Bytes of the stream; never empty.
        case data([UInt8])
        /// To be answered by a pong with this payload.
        case ping([UInt8])
        /// An answer, or unasked; to be passed over.
        case pong([UInt8])
        /// The peer sends nothing more. To be answered by a close, unless ours went first.
        case close(code: UInt16?, reason: String)
    }

    private enum State: Hashable {
        case head
        case data
        case control(WebSocketEncoder.Opcode)
        case closed
    }

    private let role: WebSocketRole
    private let limit: UInt64
    private var state = State.head
    private var head: [UInt8] = []
    private var isFragmented = false
    private var mask: WebSocketMask?
    private var remaining: UInt64 = 0
    private var control: [UInt8] = []

    /// Reads as one side: a server's peer masks, a client's does not.
    ///
    /// - Parameters:
    ///   - role: Ours.
    ///   - limit: How long the payload of a frame may be; as long as can be unless told.
    public init(role: WebSocketRole, limit: Int = .max) {
        self.role = role
        self.limit = UInt64(max(limit, 0))
    }

    /// Takes the first event out of what has come.
    ///
    /// - Parameter input: The bytes that came and were not taken yet; what is taken is removed.
    /// - Returns: `nil` if more must come first. After a close, whatever comes is dropped.
    /// - Throws: ``WebSocketViolation``: the connection must fail.
    public mutating func next(
        in input: inout ArraySlice<UInt8>
    ) throws(WebSocketViolation) -> Event? {
        while true {
            switch state {
            case .head:
                guard try readHead(&input) else { return nil }
            case .data:
                guard !input.isEmpty else { return nil }
                return .data(takePayload(&input))
            case .control(let opcode):
                control += takePayload(&input)
                guard remaining == 0 else { return nil }
                return try event(opcode)
            case .closed:
                input.removeAll()
                return nil
            }
        }
    }

    /// Reads a frame's head, a byte at a time, so that what is wrong is refused at once.
    private mutating func readHead(
        _ input: inout ArraySlice<UInt8>
    ) throws(WebSocketViolation) -> Bool {
        while let byte = input.popFirst() {
            head.append(byte)
            if head.count == 1 { try checkOpcode(byte) }
            if head.count == 2 { try checkLength(byte) }
            guard head.count >= 2, head.count == headLength else { continue }
            try beginPayload()
            return true
        }
        return false
    }

    private var lengthBytes: Int {
        switch head[1] & 0x7F {
        case 126: 2
        case 127: 8
        default: 0
        }
    }

    private var headLength: Int { 2 + lengthBytes + (role == .server ? 4 : 0) }

    private func checkOpcode(_ byte: UInt8) throws(WebSocketViolation) {
        guard byte & 0x70 == 0 else { throw protocolError("a reserved bit is set") }
        guard let opcode = WebSocketEncoder.Opcode(rawValue: byte & 0x0F) else {
            throw protocolError("opcode \(byte & 0x0F) is not defined")
        }
        guard !opcode.isControl || byte & 0x80 != 0 else {
            throw protocolError("a control frame is fragmented")
        }
        guard opcode.isControl || isFragmented == (opcode == .continuation) else {
            throw protocolError(
                isFragmented
                    ? "a message begins within another" : "a fragment belongs to no message"
            )
        }
    }

    private func checkLength(_ byte: UInt8) throws(WebSocketViolation) {
        guard (byte & 0x80 != 0) == (role == .server) else {
            throw protocolError(role == .server ? "a frame is not masked" : "a frame is masked")
        }
        guard head[0] & 0x08 == 0 || byte & 0x7F <= 125 else {
            throw protocolError("a control frame is longer than 125 bytes")
        }
    }

    private mutating func beginPayload() throws(WebSocketViolation) {
        let extended = head[2..<2 + lengthBytes]
        let length =
            extended.isEmpty
            ? UInt64(head[1] & 0x7F) : extended.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let isMinimal =
            switch extended.count {
            case 0: true
            case 2: length > 125
            default: length > 0xFFFF
            }
        guard isMinimal, length >> 63 == 0 else { throw protocolError("a length is not minimal") }
        guard length <= limit else {
            throw WebSocketViolation(
                closeCode: 1009,
                description: "a frame of \(length) bytes is longer than \(limit)"
            )
        }
        mask = role == .server ? WebSocketMask(head[(2 + lengthBytes)...]) : nil
        remaining = length
        if head[0] & 0x08 == 0 {
            isFragmented = head[0] & 0x80 == 0
            state = length == 0 ? .head : .data
        } else {
            control = []
            state = .control(WebSocketEncoder.Opcode(rawValue: head[0] & 0x0F) ?? .pong)
        }
        head = []
    }

    private mutating func takePayload(_ input: inout ArraySlice<UInt8>) -> [UInt8] {
        let count = Int(min(UInt64(input.count), remaining))
        var bytes = Array(input.prefix(count))
        input.removeFirst(count)
        remaining -= UInt64(count)
        mask?.apply(to: &bytes)
        if remaining == 0, state == .data { state = .head }
        return bytes
    }

    private mutating func event(
        _ opcode: WebSocketEncoder.Opcode
    ) throws(WebSocketViolation) -> Event {
        state = .head
        switch opcode {
        case .ping: return .ping(control)
        case .close: return try close()
        case .pong, .text, .binary, .continuation: return .pong(control)
        }
    }

    private mutating func close() throws(WebSocketViolation) -> Event {
        state = .closed
        guard !control.isEmpty else { return .close(code: nil, reason: "") }
        let code = control.prefix(2).reduce(UInt16(0)) { $0 << 8 | UInt16($1) }
        guard control.count >= 2, Self.isSendable(code) else {
            throw protocolError("a close has no valid status code")
        }
        guard let reason = String(validating: control.dropFirst(2), as: UTF8.self) else {
            throw WebSocketViolation(closeCode: 1007, description: "a close's reason is not UTF-8")
        }
        return .close(code: code, reason: reason)
    }

    /// Whether a status code may stand in a close frame (section 7.4; 1012 to 1014 are IANA's).
    private static func isSendable(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }

    private func protocolError(_ description: String) -> WebSocketViolation {
        WebSocketViolation(closeCode: 1002, description: description)
    }
}
