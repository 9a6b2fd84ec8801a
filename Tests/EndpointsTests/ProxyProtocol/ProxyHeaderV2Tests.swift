import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// A header of the fixed bytes given, the length of the rest, and the rest.
func v2(_ command: UInt8, _ family: UInt8, _ rest: [UInt8]) -> [UInt8] {
    ProxyHeader.V2.signature + [command, family] + UInt16(rest.count).bigEndianBytes + rest
}

/// 192.0.2.1:49152 to 198.51.100.7:443.
let ipv4Block: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 7, 0xC0, 0x00, 0x01, 0xBB]
/// [2001:db8::1]:49152 to [2001:db8::2]:443.
let ipv6Block: [UInt8] =
    [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    + [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    + [0xC0, 0x00, 0x01, 0xBB]

func unixBlock(_ source: [UInt8], _ destination: [UInt8]) -> [UInt8] {
    [source, destination].flatMap { $0 + [UInt8](repeating: 0, count: 108 - $0.count) }
}

@Suite("PROXY header, version 2")
struct ProxyHeaderV2Tests {
    private func header(_ bytes: [UInt8]) throws -> ProxyHeader {
        let progress = try parse(bytes)
        guard case .complete(let header, bytes.count) = progress else {
            throw ProxyHeader.FormatError(description: "\(progress)")
        }
        try expectCompleteOnlyAtItsEnd(bytes)
        return header
    }

    @Test("the addresses of a stream are the ones that the header names")
    func addresses() throws {
        let ipv4 = try header(v2(0x21, 0x11, ipv4Block))
        #expect(ipv4.command == .proxy)
        #expect(ipv4.version == .v2)
        #expect(ipv4.source == (try ip("192.0.2.1", 49152)))
        #expect(ipv4.destination == (try ip("198.51.100.7", 443)))
        let ipv6 = try header(v2(0x21, 0x21, ipv6Block))
        #expect(ipv6.source == (try ip("2001:db8::1", 49152)))
        #expect(ipv6.destination == (try ip("2001:db8::2", 443)))
    }

    private static let unixNames: [(name: [UInt8], path: String?)] = [
        (Array("/run/app.sock".utf8), "/run/app.sock"),
        ([UInt8](repeating: 0x61, count: 108), String(repeating: "a", count: 108)),
        (Array("\0name".utf8), "@name"),
        (Array("\0a\0b".utf8), "@a\0b"),
        (Array("/a\0junk".utf8), "/a"),
        (Array("@file".utf8), "./@file"),
        ([0x2F, 0xFF], "/\u{FFFD}"),
        ([], nil),
    ]

    @Test(
        "a UNIX address is a path, an abstract name or nothing",
        arguments: unixNames
    )
    func unix(name: [UInt8], path: String?) throws {
        let parsed = try header(v2(0x21, 0x31, unixBlock(name, Array("/to".utf8))))
        #expect(parsed.source?.path == path)
        #expect(parsed.destination?.path == "/to")
    }

    @Test("LOCAL is accepted whatever it holds", arguments: Array(0...255) as [UInt8])
    func local(family: UInt8) throws {
        for rest in [[], [1], ipv4Block, ipv6Block, unixBlock([0x2F], [0x2F]) + [4, 0, 9]] {
            let parsed = try header(v2(0x20, family, rest))
            #expect(parsed.command == .local)
            #expect(parsed.source == nil)
            #expect(parsed.destination == nil)
        }
    }

    @Test("LOCAL offers its TLVs if they are some")
    func localTLVs() throws {
        let tlv: [UInt8] = [0x05, 0, 2, 7, 8]
        #expect(try header(v2(0x20, 0x00, tlv)).uniqueID == [7, 8])
        #expect(try header(v2(0x20, 0x11, ipv4Block + tlv)).uniqueID == [7, 8])
        #expect(try header(v2(0x20, 0x00, tlv + [1])).tlvs.isEmpty)
    }

    @Test("of families and transports, the defined ones are accepted", arguments: 0...255)
    func families(byte: Int) throws {
        let byte = UInt8(byte)
        let bytes = v2(0x21, byte, unixBlock(Array("/a".utf8), Array("/b".utf8)))
        let isDefined = byte >> 4 <= 3 && byte & 15 <= 2
        guard isDefined else {
            guard case .invalid(13, _) = ProxyOutcome(bytes) else {
                Issue.record("\(ProxyOutcome(bytes))")
                return
            }
            #expect(ProxyOutcome(Array(bytes[..<14])) == ProxyOutcome(bytes))
            return
        }
        let block = ProxyHeader.V2.blockLength(family: byte >> 4) ?? 0
        let parsed = try header(v2(0x21, byte, [UInt8](repeating: 1, count: block)))
        let isStream = byte & 15 == 1 && byte >> 4 != 0
        #expect((parsed.source != nil) == isStream)
        #expect((parsed.destination != nil) == isStream)
    }

    @Test("a family left unspecified may hold anything")
    func unspecified() throws {
        for rest in [[], [1], [1, 2, 3], ipv4Block] {
            let parsed = try header(v2(0x21, 0x00, rest))
            #expect(parsed.command == .proxy)
            #expect(parsed.source == nil)
        }
        #expect(try header(v2(0x21, 0x00, [0x05, 0, 1, 9])).uniqueID == [9])
    }

    private static let wrongFixedParts: [(bytes: [UInt8], offset: Int)] = [
        (v2(0x11, 0x11, ipv4Block), 12), (v2(0x31, 0x11, ipv4Block), 12),
        (v2(0x22, 0x11, ipv4Block), 12), (v2(0x2F, 0x11, ipv4Block), 12),
        (v2(0x21, 0x11, Array(ipv4Block.dropLast())), 14), (v2(0x21, 0x21, ipv4Block), 14),
        (v2(0x21, 0x31, ipv6Block), 14), (v2(0x21, 0x11, []), 14),
        (v2(0x21, 0x11, [UInt8](repeating: 0, count: 4097)), 14),
    ]

    private static let wrongTLVs: [(bytes: [UInt8], offset: Int)] = [
        behindBlock([4], 28), behindBlock([4, 0], 28), behindBlock([4, 0, 1], 28),
        behindBlock([4, 0, 0, 4, 0, 9, 1], 31),
        behindBlock([3, 0, 3, 1, 2, 3], 28),
        behindBlock([3, 0, 4, 1, 2, 3, 4], 31),
        behindBlock([5, 0, 129], padding: 129, 28),
        behindBlock([2, 1, 0], padding: 256, 28),
        behindBlock([0x20, 0, 4, 1, 0, 0, 0], 28),
        behindBlock([0x20, 0, 6, 1, 0, 0, 0, 0, 0x21], 28),
        behindBlock([0x20, 0, 8, 1, 0, 0, 0, 0, 0x21, 0, 1], 28),
    ]

    private static func behindBlock(
        _ tlvs: [UInt8],
        padding: Int = 0,
        _ offset: Int
    ) -> (bytes: [UInt8], offset: Int) {
        (v2(0x21, 0x11, ipv4Block + tlvs + [UInt8](repeating: 97, count: padding)), offset)
    }

    @Test(
        "a wrong header is refused at the first byte that cannot belong",
        arguments: wrongFixedParts + wrongTLVs
    )
    func invalid(bytes: [UInt8], offset: Int) {
        guard case .invalid(offset, _) = ProxyOutcome(bytes) else {
            Issue.record("\(ProxyOutcome(bytes))")
            return
        }
        #expect(ProxyOutcome.fedByteByByte(bytes) == ProxyOutcome(bytes))
    }

    @Test("too few bytes for another TLV are refused before they come", arguments: [1, 2])
    func shortRest(count: Int) {
        let bytes = v2(0x21, 0x11, ipv4Block + [4, 0, 0] + [UInt8](repeating: 4, count: count))
        #expect(ProxyOutcome(Array(bytes[..<30])) == .needsMore)
        guard case .invalid(31, _) = ProxyOutcome(Array(bytes[..<31])) else {
            Issue.record("\(ProxyOutcome(Array(bytes[..<31])))")
            return
        }
    }

    @Test("the signature is compared byte by byte", arguments: 0..<12)
    func signature(index: Int) {
        var bytes = v2(0x21, 0x11, ipv4Block)
        bytes[index] ^= 1
        let prefix = Array(bytes[...index])
        guard case .invalid(index, _) = ProxyOutcome(prefix) else {
            Issue.record("\(ProxyOutcome(prefix))")
            return
        }
    }

    @Test("the length's limit holds before any of those bytes has come")
    func limit() throws {
        let start = ProxyHeader.V2.signature + [0x21, 0x11, 0x10, 0x01]
        #expect {
            try parse(start)
        } throws: {
            "\($0)"
                == "expected at most 4096 bytes of addresses and TLVs at offset 14, "
                + "got a length of 4097"
        }
        #expect(try parse(start, limit: 4097) == .needsMore(atLeast: 4097))
        let longest = v2(0x20, 0, [UInt8](repeating: 0xFF, count: 65535))
        let progress = try parse(longest, limit: 65535)
        #expect(progress == .complete(.local(), length: 65551))
    }

    @Test("a header that is sent is the header that arrives")
    func roundTrips() throws {
        let v4 = try ip("192.0.2.1", 49152)
        let v6 = try ip("2001:db8::2", 443)
        let path = SocketAddress(path: "/run/a")
        let tlvs = [
            ProxyHeader.TLV(type: .uniqueID, value: [1, 2, 3]),
            ProxyHeader.TLV(type: ProxyHeader.TLVType(rawValue: 0xF8), value: []),
            ProxyHeader.TLV(type: .noop, value: [0, 0]),
            ProxyHeader.TLV(type: .uniqueID, value: []),
        ]
        let pairs: [(SocketAddress?, SocketAddress?, UInt8)] = [
            (v4, v4, 0x11), (v6, v6, 0x21), (v4, v6, 0x21), (path, path, 0x31), (nil, path, 0x31),
            (SocketAddress(path: "@abstract"), path, 0x31), (nil, nil, 0x00),
        ]
        for (source, destination, family) in pairs {
            let sent = ProxyHeader(source: source, destination: destination, tlvs: tlvs)
            let bytes = try sent.serialized()
            #expect(bytes[12...13] == [0x21, family])
            #expect(try header(bytes) == sent)
            #expect(try header(bytes).serialized() == bytes)
            let checked = try header(try sent.serialized(checksum: true))
            #expect(checked.tlvs.first?.type == .crc32c)
            #expect(Array(checked.tlvs.dropFirst()) == tlvs)
        }
        #expect(try ProxyHeader.local().serialized() == v2(0x20, 0x00, []))
        let input = SocketAddress(named: "standard input")
        let unnamed = ProxyHeader(source: input, destination: input)
        #expect(try unnamed.serialized() == v2(0x21, 0x00, []))
        let nameless = ProxyHeader(source: SocketAddress(path: ""), destination: path)
        #expect(try header(try nameless.serialized()).source == nil)
    }

    @Test("what cannot be sent is refused")
    func unsendable() throws {
        let v4 = try ip("192.0.2.1", 1)
        func error(_ destination: SocketAddress?, _ tlvs: [ProxyHeader.TLV] = []) -> String {
            do {
                _ = try ProxyHeader(source: v4, destination: destination, tlvs: tlvs).serialized()
                return ""
            } catch {
                return "\(error)"
            }
        }
        let long = [UInt8](repeating: 0, count: 40_000)
        let noop = ProxyHeader.TLV(type: .noop, value: long)
        #expect(error(nil).contains("both must be IP, or both UNIX"))
        #expect(error(SocketAddress(path: "/a")).contains("cannot name 192.0.2.1:1 as source and"))
        #expect(error(v4, [noop, noop]).contains("65535 bytes of addresses and TLVs, not 80018"))
        let crc = ProxyHeader.TLV(type: .crc32c, value: [])
        #expect(error(v4, [crc]) == "")
        #expect(error(v4, [crc, crc]) == "a PROXY header takes one CRC32C")
        let longID = ProxyHeader.TLV(type: .uniqueID, value: [UInt8](repeating: 0, count: 129))
        #expect(error(v4, [longID]).contains("takes at most 128 bytes of unique id, not 129"))
        let longest = ProxyHeader.TLV(type: .noop, value: long + long)
        #expect(error(v4, [longest]) == "a TLV holds at most 65535 bytes, not 80000")
    }
}
