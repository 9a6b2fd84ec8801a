// TLVs: what a version 2 header says beside the addresses (proxy-protocol.txt, section 2.2).
//
// Each is a type, a length of two bytes, and that many bytes of value; the TLS facts nest another
// row of them. They must fill the header exactly. Unknown types are kept as they came: only those
// whose shape is defined are held to it (CRC32C, the unique id, the authority, TLS facts), so that
// the typed properties never meet a broken value.

import EndpointStrings
import EndpointsCore
import EndpointsNet

extension ProxyHeader {
    /// The type of a TLV; an open set.
    public struct TLVType: RawRepresentable, Hashable, Sendable {
        /// The byte on the wire.
        public var rawValue: UInt8

        /// Any type.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The application protocol (RFC 7301).
        public static let alpn = TLVType(rawValue: 0x01)
        /// The host name that the client asked for, often TLS's server name.
        public static let authority = TLVType(rawValue: 0x02)
        /// The checksum of the header.
        public static let crc32c = TLVType(rawValue: 0x03)
        /// Padding.
        public static let noop = TLVType(rawValue: 0x04)
        /// The sender's name for the connection, of at most 128 bytes.
        public static let uniqueID = TLVType(rawValue: 0x05)
        /// TLS between the client and the proxy.
        public static let ssl = TLVType(rawValue: 0x20)
        /// The network namespace's name.
        public static let networkNamespace = TLVType(rawValue: 0x30)
        /// Google Cloud, Private Service Connect.
        public static let gcp = TLVType(rawValue: 0xE0)
        /// AWS, Network Load Balancer.
        public static let aws = TLVType(rawValue: 0xEA)
        /// Azure, Private Link.
        public static let azure = TLVType(rawValue: 0xEE)
    }

    /// A type and a value.
    public struct TLV: Hashable, Sendable {
        /// What the value means.
        public var type: TLVType
        /// The value's bytes, of which 65535 at most can be sent.
        public var value: [UInt8]

        /// Makes a TLV.
        public init(type: TLVType, value: [UInt8]) {
            self.type = type
            self.value = value
        }
    }

    /// The value of the first TLV of a type.
    public func value(of type: TLVType) -> [UInt8]? { tlvs.value(of: type) }

    /// The protocol that TLS negotiated with the client, by its name's bytes (RFC 7301).
    public var applicationProtocol: [UInt8]? { value(of: .alpn) }

    /// The host name that the client asked for; `nil` if there is none, or it is not UTF-8.
    public var authority: String? { tlvs.text(of: .authority) }

    /// The sender's name for the connection: up to 128 bytes of any kind.
    public var uniqueID: [UInt8]? { value(of: .uniqueID) }

    /// The name of the network namespace that the proxy accepted the connection in.
    public var networkNamespace: String? { tlvs.text(of: .networkNamespace) }

    /// What the proxy says of TLS between the client and itself.
    public var ssl: SSL? { value(of: .ssl).flatMap { SSL($0) } }

    /// The id of the AWS VPC endpoint that the connection came through (`vpce-…`).
    public var vpcEndpointID: String? {
        guard let value = value(of: .aws), value.first == 1 else { return nil }
        return String(validating: value.dropFirst(), as: UTF8.self)
    }

    /// The id of the Azure Private Link that the connection came through.
    public var privateLinkID: UInt32? {
        guard let value = value(of: .azure), value.first == 1, value.count == 5 else { return nil }
        return value.dropFirst().reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// The id of the connection in Google Cloud's Private Service Connect.
    public var privateServiceConnectID: UInt64? {
        guard let value = value(of: .gcp), value.count == 8 else { return nil }
        return value.reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension [ProxyHeader.TLV] {
    func value(of type: ProxyHeader.TLVType) -> [UInt8]? {
        first { $0.type == type }?.value
    }

    func text(of type: ProxyHeader.TLVType) -> String? {
        value(of: type).flatMap { String(validating: $0, as: UTF8.self) }
    }
}

extension ProxyHeader.TLV {
    /// Type and length.
    static let headLength = 3

    /// Says what is wrong with a value's length, if its type has a rule for that.
    static func lengthRule(_ type: ProxyHeader.TLVType, length: Int) -> String? {
        switch type {
        case .crc32c where length != 4: "4 bytes of CRC32C"
        case .uniqueID where length > 128: "at most 128 bytes of unique id"
        case .authority where length > 255: "at most 255 bytes of authority"
        case .ssl where length < ProxyHeader.SSL.fixedLength: "at least 5 bytes of TLS facts"
        default: nil
        }
    }

    func serialized() throws(ProxyHeader.FormatError) -> [UInt8] {
        if let rule = Self.lengthRule(type, length: value.count) {
            throw ProxyHeader.FormatError(
                description: "a PROXY header takes \(rule), not \(value.count)"
            )
        }
        guard let length = UInt16(exactly: value.count) else {
            throw ProxyHeader.FormatError(
                description: "a TLV holds at most 65535 bytes, not \(value.count)"
            )
        }
        return [type.rawValue] + length.bigEndianBytes + value
    }
}

/// Reads TLVs from a prefix of what they fill in the end.
struct TLVScan {
    /// Those that have come whole.
    var tlvs: [ProxyHeader.TLV] = []
    /// Whether the checksum was there and wrong.
    private(set) var crcFailed = false
    private var position: Int
    private let end: Int
    private var crcOffset: Int?

    /// Begins at an offset; the last TLV ends at `end`.
    init(at position: Int, end: Int) {
        self.position = position
        self.end = end
    }

    /// Reads all TLVs that are whole, and the beginning of the next.
    mutating func advance(in bytes: Span<UInt8>) throws(UnexpectedBytes) {
        let headLength = ProxyHeader.TLV.headLength
        while position < end, position <= bytes.count {
            let start = position
            func unexpected(_ expected: String, _ received: String) -> UnexpectedBytes {
                UnexpectedBytes(offset: start, expected: expected, received: received)
            }
            guard end - start >= headLength else {
                throw unexpected("a TLV or the header's end", "\(end - start) bytes to the end")
            }
            guard bytes.count - start >= headLength else { return }
            let type = ProxyHeader.TLVType(rawValue: bytes[start])
            let length = Int(bytes[start + 1]) << 8 | Int(bytes[start + 2])
            let valueStart = start + headLength
            guard length <= end - valueStart else {
                throw unexpected(
                    "a TLV that ends within the header",
                    "type 0x\(String(type.rawValue, radix: 16)) with \(length) bytes "
                        + "where \(end - valueStart) are left"
                )
            }
            if let rule = ProxyHeader.TLV.lengthRule(type, length: length) {
                throw unexpected(rule, "\(length)")
            }
            if type == .crc32c {
                guard crcOffset == nil else { throw unexpected("one CRC32C", "a second") }
                crcOffset = valueStart
            }
            guard bytes.count >= valueStart + length else { return }
            let value = [UInt8](bytes, valueStart..<valueStart + length)
            if type == .ssl, ProxyHeader.SSL(value) == nil {
                throw unexpected("TLS facts whose TLVs end with them", "TLVs that do not")
            }
            tlvs.append(ProxyHeader.TLV(type: type, value: value))
            position = valueStart + length
        }
    }

    /// Checks the checksum, if there is one; all bytes have come.
    mutating func checkCRC(in bytes: Span<UInt8>) throws(UnexpectedBytes) {
        guard let crcOffset else { return }
        let place = crcOffset..<crcOffset + 4
        let stated = place.reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[$1]) }
        let actual = CRC32C.checksum(of: bytes.extracting(0..<end), zeroing: place)
        guard stated == actual else {
            crcFailed = true
            throw UnexpectedBytes(
                offset: crcOffset,
                expected: "CRC32C \(String(actual, radix: 16))",
                received: String(stated, radix: 16)
            )
        }
    }
}
