import EndpointStrings
import EndpointsCore
import EndpointsNet

/// The checksum of PROXY headers: CRC with Castagnoli's polynomial, reflected (RFC 3720, appendix
/// B.4).
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in
            value & 1 == 0 ? value >> 1 : value >> 1 ^ 0x82F6_3B78
        }
    }

    /// The checksum of `bytes`, with those in `zeroed` taken as zero.
    static func checksum(of bytes: Span<UInt8>, zeroing zeroed: Range<Int> = 0..<0) -> UInt32 {
        var value = UInt32.max
        for index in bytes.indices {
            let byte = zeroed.contains(index) ? 0 : bytes[index]
            value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)]
        }
        return ~value
    }
}
