// Version 1: one line of US-ASCII, exactly one space between fields, CR LF at its end
// (proxy-protocol.txt, section 2.1).
//
//     PROXY TCP4|TCP6 source destination source-port destination-port CR LF
//     PROXY UNKNOWN [anything] CR LF
//
// The line is at most 107 bytes long and is read a byte at a time, since each byte must be refused
// that cannot belong: a leading zero, a port above 65535, a second space. Lenient readers have
// been talked into wrong addresses ("192.168.0.256", "080"). Of `UNKNOWN` nothing but the line's
// end is looked at.

import EndpointStrings
import EndpointsCore
import EndpointsNet

extension ProxyHeader {
    enum V1 {
        static let signature = Array("PROXY ".utf8)
        /// The shortest line: `PROXY UNKNOWN`, CR, LF.
        static let shortest = 15
        /// The longest line, CR LF included.
        static let longest = 107
    }

    /// `bytes` begins with the signature, or a part of it.
    static func parseV1(_ bytes: Span<UInt8>) throws(UnexpectedBytes) -> Progress {
        var line = V1Line()
        for index in V1.signature.count..<max(V1.signature.count, min(bytes.count, V1.longest)) {
            if let expected = line.consume(bytes[index], at: index) {
                throw UnexpectedBytes(
                    bytes,
                    at: index,
                    showing: line.fieldStart,
                    expected: expected
                )
            }
            if line.field == .end {
                return .complete(line.header, length: index + 1)
            }
        }
        return .needsMore(atLeast: max(V1.shortest - bytes.count, line.field == .lineFeed ? 1 : 2))
    }

    func serializedV1() throws(FormatError) -> [UInt8] {
        guard tlvs.isEmpty else {
            throw FormatError(description: "a PROXY header of version 1 has no room for TLVs")
        }
        let family: String
        let addresses: (source: [UInt8], destination: [UInt8])
        switch try addressBlock() {
        case .unspecified, .unix:
            return Array("PROXY UNKNOWN\r\n".utf8)
        case .ipv4(let source, let destination):
            (family, addresses) = ("TCP4", (source, destination))
        case .ipv6(let source, let destination):
            (family, addresses) = ("TCP6", (source, destination))
        }
        let fields = [
            "PROXY", family, Self.text(addresses.source), Self.text(addresses.destination),
            "\(source?.port ?? 0)", "\(destination?.port ?? 0)",
        ]
        return Array((fields.joined(separator: " ") + "\r\n").utf8)
    }

    /// IPv4-mapped addresses are written as inet_ntop(3) writes them.
    private static func text(_ ip: [UInt8]) -> String {
        let plain = SocketAddress(canonicalIP: ip, port: 0)?.ip ?? ""
        return ip.count == 16 && ip.unmappedIP.count == 4 ? "::ffff:\(plain)" : plain
    }
}

/// The line behind `PROXY` and the space, as far as it has come.
private struct V1Line {
    enum Field: Hashable {
        case family
        case source
        case destination
        case sourcePort
        case destinationPort
        case text
        case lineFeed
        case end
    }

    private(set) var field = Field.family
    /// Where the current field begins.
    private(set) var fieldStart = ProxyHeader.V1.signature.count
    private var family: [UInt8] = []
    private var addressName = "an IPv4 address"
    private var source = IPAddressScanner.ipv4(IPv4Scanner())
    private var destination = IPAddressScanner.ipv4(IPv4Scanner())
    private var sourcePort = PortScanner()
    private var destinationPort = PortScanner()

    /// The header that the line says, once it has ended.
    var header: ProxyHeader {
        guard let from = source.bytes, let to = destination.bytes,
            let fromPort = sourcePort.value, let toPort = destinationPort.value
        else { return .local(version: .v1) }
        return ProxyHeader(
            source: SocketAddress(canonicalIP: from, port: fromPort),
            destination: SocketAddress(canonicalIP: to, port: toPort),
            version: .v1
        )
    }

    /// Takes the next byte, and says what had to come if it cannot belong.
    mutating func consume(_ byte: UInt8, at index: Int) -> String? {
        let isSpace = byte == UInt8(ascii: " ")
        let isCarriageReturn = byte == UInt8(ascii: "\r")
        if index == ProxyHeader.V1.longest - 2, !isCarriageReturn {
            fieldStart = index
            return "CR LF within \(ProxyHeader.V1.longest) bytes"
        }
        switch field {
        case .family:
            return consumeFamily(byte, at: index)
        case .source:
            if isSpace, source.bytes != nil {
                begin(.destination, at: index + 1)
            } else if !source.consume(byte) {
                return "\(addressName) of the source and a space"
            }
        case .destination:
            if isSpace, destination.bytes != nil {
                begin(.sourcePort, at: index + 1)
            } else if !destination.consume(byte) {
                return "\(addressName) of the destination and a space"
            }
        case .sourcePort:
            if isSpace, sourcePort.value != nil {
                begin(.destinationPort, at: index + 1)
            } else if !sourcePort.consume(byte) {
                return "the source port (0 to 65535) and a space"
            }
        case .destinationPort:
            if isCarriageReturn, destinationPort.value != nil {
                begin(.lineFeed, at: index)
            } else if !destinationPort.consume(byte) {
                return "the destination port (0 to 65535) and CR LF"
            }
        case .text:
            if isCarriageReturn {
                begin(.lineFeed, at: index)
            } else if byte == UInt8(ascii: "\n") {
                fieldStart = index
                return "CR LF at the end of the line"
            }
        case .lineFeed:
            guard byte == UInt8(ascii: "\n") else { return "LF after CR" }
            begin(.end, at: index + 1)
        case .end:
            return "nothing after the end of the line"
        }
        return nil
    }

    private mutating func consumeFamily(_ byte: UInt8, at index: Int) -> String? {
        family.append(byte)
        switch family {
        case Array("TCP4 ".utf8):
            begin(.source, at: index + 1)
        case Array("TCP6 ".utf8):
            source = .ipv6(IPv6Scanner())
            destination = .ipv6(IPv6Scanner())
            addressName = "an IPv6 address"
            begin(.source, at: index + 1)
        case Array("UNKNOWN ".utf8):
            begin(.text, at: index + 1)
        case Array("UNKNOWN\r".utf8):
            begin(.lineFeed, at: index)
        default:
            let fits = ["TCP4 ", "TCP6 ", "UNKNOWN "].contains { $0.utf8.starts(with: family) }
            return fits ? nil : "\"TCP4\", \"TCP6\" or \"UNKNOWN\""
        }
        return nil
    }

    private mutating func begin(_ next: Field, at start: Int) {
        field = next
        fieldStart = start
    }
}

/// Reads a port in decimal, without sign or leading zeros.
private struct PortScanner {
    private(set) var value: UInt16?

    mutating func consume(_ byte: UInt8) -> Bool {
        guard let digit = byte.decimalDigit else { return false }
        guard let before = value else {
            value = UInt16(digit)
            return true
        }
        let longer = UInt32(before) * 10 + UInt32(digit)
        guard before != 0, longer <= UInt32(UInt16.max) else { return false }
        value = UInt16(longer)
        return true
    }
}
