// Masking is most of what framing costs, so it goes eight bytes at a time.

/// The key of a masked frame (RFC 6455, section 5.3): byte i of the payload is XORed with byte i
/// modulo 4 of the key.
struct WebSocketMask: Hashable, Sendable {
    private let key: [UInt8]
    private var index = 0

    /// Begins a payload.
    ///
    /// - Parameter key: Four bytes.
    init(_ key: some Collection<UInt8>) { self.key = Array(key) }

    /// Masks, or unmasks, the next bytes of the payload.
    mutating func apply(to bytes: inout [UInt8]) {
        let pattern = (0..<8).map { key[(index + $0) & 3] }
        let word = pattern.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }.littleEndian
        let whole = bytes.count & ~7
        bytes.withUnsafeMutableBytes { bytes in
            var offset = 0
            while offset < whole {
                let masked = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) ^ word
                bytes.storeBytes(of: masked, toByteOffset: offset, as: UInt64.self)
                offset += 8
            }
            while offset < bytes.count {
                bytes[offset] ^= pattern[offset & 7]
                offset += 1
            }
        }
        index = (index + bytes.count) & 3
    }
}
