// Version 2: 16 fixed bytes, a block of addresses, TLVs (proxy-protocol.txt, section 2.2).
//
//      0  signature, 12 bytes
//     12  version 2 and command
//     13  address family and transport
//     14  length of what follows, big-endian
//     16  addresses (0, 12, 36 or 216 bytes), then TLVs to the end
//
// How much is looked at depends on what the header says of itself:
//
// - `PROXY` with a family: the addresses count if the transport is a stream. A datagram's are valid
//   but not ours, and are passed over like those of a family half unspecified. TLVs must end with
//   the header, and the bytes are refused at the first TLV that does not.
// - `LOCAL`, and a family wholly unspecified: what follows may be anything. TLVs are offered if they
//   parse, and left out if they do not.
//
// A CRC32C that is found is checked in every case. The header's length is checked against a limit
// before a byte of it is waited for.

import EndpointStrings
import EndpointsCore
import EndpointsNet

extension ProxyHeader {
    enum V2 {
        static let signature: [UInt8] = [
            0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
        ]
        /// What comes before addresses and TLVs.
        static let fixedLength = 16
        static let unixPathLength = 108

        /// How long the addresses of a family are; `nil` if it is undefined.
        static func blockLength(family: UInt8) -> Int? {
            switch family {
            case 0: 0
            case 1: 12
            case 2: 36
            case 3: 2 * unixPathLength
            default: nil
            }
        }
    }

    /// `bytes` begins with the signature, or a part of it.
    static func parseV2(
        _ bytes: Span<UInt8>,
        limit: Int
    ) throws(UnexpectedBytes) -> Progress {
        guard let fixed = try FixedPart(bytes, limit: limit) else {
            return .needsMore(atLeast: V2.fixedLength - bytes.count)
        }
        let isComplete = bytes.count >= fixed.end
        var scan = TLVScan(at: V2.fixedLength + fixed.blockLength, end: fixed.end)
        do {
            if isComplete || !fixed.isLenient { try scan.advance(in: bytes) }
            if isComplete { try scan.checkCRC(in: bytes) }
        } catch {
            // A wrong checksum is no matter of taste.
            if !fixed.isLenient || scan.crcFailed { throw error }
            scan.tlvs = []
        }
        guard isComplete else { return .needsMore(atLeast: fixed.end - bytes.count) }
        let (source, destination) = fixed.addresses(in: bytes)
        let header = ProxyHeader(
            version: .v2,
            command: fixed.command,
            source: source,
            destination: destination,
            tlvs: scan.tlvs
        )
        return .complete(header, length: fixed.end)
    }

    func serializedV2(checksum: Bool) throws(FormatError) -> [UInt8] {
        var bytes = V2.signature + [command == .local ? 0x20 : 0x21]
        var body: [UInt8]
        switch try addressBlock() {
        case .unspecified:
            bytes.append(0x00)
            body = []
        case .ipv4(let source, let destination):
            bytes.append(0x11)
            body = source + destination + ports
        case .ipv6(let source, let destination):
            bytes.append(0x21)
            body = source + destination + ports
        case .unix(let source, let destination):
            bytes.append(0x31)
            body = try Self.unixBlock(source) + Self.unixBlock(destination)
        }
        let crc = TLV(type: .crc32c, value: [0, 0, 0, 0])
        let needsCRC = checksum && !tlvs.contains { $0.type == .crc32c }
        var crcOffset: Int?
        for var tlv in needsCRC ? [crc] + tlvs : tlvs {
            if tlv.type == .crc32c {
                guard crcOffset == nil else {
                    throw FormatError(description: "a PROXY header takes one CRC32C")
                }
                tlv = crc
                crcOffset = V2.fixedLength + body.count + TLV.headLength
            }
            body += try tlv.serialized()
        }
        guard let length = UInt16(exactly: body.count) else {
            throw FormatError(
                description: "a PROXY header holds 65535 bytes of addresses and TLVs, "
                    + "not \(body.count)"
            )
        }
        bytes += length.bigEndianBytes + body
        if let crcOffset {
            let value = CRC32C.checksum(of: bytes.span).bigEndianBytes
            bytes.replaceSubrange(crcOffset..<crcOffset + 4, with: value)
        }
        return bytes
    }

    private var ports: [UInt8] {
        (source?.port ?? 0).bigEndianBytes + (destination?.port ?? 0).bigEndianBytes
    }

    private static func unixBlock(_ path: [UInt8]) throws(FormatError) -> [UInt8] {
        var name = path
        if name.first == UInt8(ascii: "@") { name[0] = 0 }
        guard name.count <= V2.unixPathLength else {
            throw FormatError(
                description: "a UNIX path in a PROXY header has at most \(V2.unixPathLength) "
                    + "bytes, not \(name.count)"
            )
        }
        return name + [UInt8](repeating: 0, count: V2.unixPathLength - name.count)
    }
}

/// The first 16 bytes of a version 2 header.
private struct FixedPart {
    let command: ProxyHeader.Command
    /// Whether the addresses are those of the stream's ends.
    let hasAddresses: Bool
    /// Whether what follows may be anything.
    let isLenient: Bool
    /// How many bytes the addresses take.
    let blockLength: Int
    /// The length of the whole header.
    let end: Int

    /// `nil` while fewer than 16 bytes have come.
    init?(_ bytes: Span<UInt8>, limit: Int) throws(UnexpectedBytes) {
        func unexpected(at offset: Int, _ expected: String) -> UnexpectedBytes {
            UnexpectedBytes(bytes, at: offset, showing: offset, expected: expected)
        }
        guard bytes.count > 12 else { return nil }
        guard bytes[12] == 0x20 || bytes[12] == 0x21 else {
            throw unexpected(at: 12, "version 2 and command LOCAL or PROXY (20 or 21)")
        }
        command = bytes[12] == 0x20 ? .local : .proxy
        guard bytes.count > 13 else { return nil }
        let family = bytes[13] >> 4
        let transport = bytes[13] & 0x0F
        let block = ProxyHeader.V2.blockLength(family: family)
        guard command == .local || (block != nil && transport <= 2) else {
            throw unexpected(at: 13, "an address family from 0 to 3 and a transport from 0 to 2")
        }
        hasAddresses = command == .proxy && family != 0 && transport == 1
        isLenient = command == .local || bytes[13] == 0
        guard bytes.count >= ProxyHeader.V2.fixedLength else { return nil }
        let length = Int(bytes[14]) << 8 | Int(bytes[15])
        guard length <= limit else {
            throw UnexpectedBytes(
                offset: 14,
                expected: "at most \(limit) bytes of addresses and TLVs",
                received: "a length of \(length)"
            )
        }
        // A LOCAL header need not hold the addresses that its family would have.
        let needed = block ?? 0
        guard needed <= length || command == .local else {
            throw UnexpectedBytes(
                offset: 14,
                expected: "\(needed) bytes of addresses at least",
                received: "a length of \(length)"
            )
        }
        blockLength = min(needed, length)
        end = ProxyHeader.V2.fixedLength + length
    }

    /// Source and destination; `bytes` holds the whole block.
    func addresses(in bytes: Span<UInt8>) -> (source: SocketAddress?, destination: SocketAddress?) {
        guard hasAddresses else { return (nil, nil) }
        let block = [UInt8](bytes, 16..<16 + blockLength)
        let half = blockLength / 2
        if half == ProxyHeader.V2.unixPathLength {
            return (Self.unixAddress(block[..<half]), Self.unixAddress(block[half...]))
        }
        let width = (blockLength - 4) / 2
        func address(_ index: Int) -> SocketAddress? {
            let port = block[(2 * width + 2 * index)...]
            return SocketAddress(
                canonicalIP: Array(block[(index * width)..<(index * width + width)]),
                port: port.prefix(2).reduce(0) { $0 << 8 | UInt16($1) }
            )
        }
        return (address(0), address(1))
    }

    /// A path ends at a NUL or fills the block; an abstract name begins with NUL; nothing but NUL is a
    /// socket without a name.
    private static func unixAddress(_ block: ArraySlice<UInt8>) -> SocketAddress? {
        guard let last = block.lastIndex(where: { $0 != 0 }) else { return nil }
        return SocketAddress(unixName: block[...last])
    }
}
