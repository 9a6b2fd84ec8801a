/// Frames to send.
public struct WebSocketEncoder: Sendable {
    /// Opcodes (section 5.2).
    public enum Opcode: UInt8, Hashable, Sendable {
        /// A further fragment of a message.
        case continuation = 0
        /// A message of UTF-8.
        case text = 1
        /// A message of bytes.
        case binary = 2
        /// The end, with a status code and a reason.
        case close = 8
        /// To be answered by a pong with the same payload.
        case ping = 9
        /// The answer.
        case pong = 10

        /// Whether frames of this kind are whole, short, and no part of the stream.
        public var isControl: Bool { rawValue >= 8 }
    }

    /// Whose frames these are.
    public let role: WebSocketRole

    /// Makes frames for one side.
    public init(role: WebSocketRole) { self.role = role }

    /// One whole frame.
    ///
    /// - Parameters:
    ///   - payload: At most 125 bytes for control frames; more are cut off.
    ///   - opcode: What the payload is; bytes unless told.
    ///   - generator: Where a client's mask comes from. Must be unpredictable (section 5.3).
    /// - Returns: The bytes to send.
    public func frame(
        _ payload: [UInt8],
        opcode: Opcode = .binary,
        using generator: inout some RandomNumberGenerator
    ) -> [UInt8] {
        let payload = opcode.isControl ? Array(payload.prefix(125)) : payload
        let maskBit: UInt8 = role == .client ? 0x80 : 0
        var frame: [UInt8] = [0x80 | opcode.rawValue]
        switch payload.count {
        case ...125:
            frame.append(maskBit | UInt8(payload.count))
        case ...0xFFFF:
            frame.append(maskBit | 126)
            frame += (0..<2).map { UInt8(truncatingIfNeeded: payload.count >> (8 - 8 * $0)) }
        default:
            frame.append(maskBit | 127)
            frame += (0..<8).map { UInt8(truncatingIfNeeded: payload.count >> (56 - 8 * $0)) }
        }
        guard role == .client else { return frame + payload }
        let key = (0..<4).map { _ in UInt8.random(in: 0...255, using: &generator) }
        var masked = payload
        var mask = WebSocketMask(key)
        mask.apply(to: &masked)
        frame += key
        frame += masked
        return frame
    }

    /// A close frame.
    ///
    /// - Parameters:
    ///   - code: The status code; 1000 says that all is done.
    ///   - reason: Cut to 123 bytes.
    ///   - generator: As for other frames.
    /// - Returns: The bytes to send.
    public func close(
        code: UInt16 = 1000,
        reason: String = "",
        using generator: inout some RandomNumberGenerator
    ) -> [UInt8] {
        var text = reason
        while text.utf8.count > 123 { text.unicodeScalars.removeLast() }
        let status = [UInt8(truncatingIfNeeded: code >> 8), UInt8(truncatingIfNeeded: code)]
        return frame(status + text.utf8, opcode: .close, using: &generator)
    }
}
