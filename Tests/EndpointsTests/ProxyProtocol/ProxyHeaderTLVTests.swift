import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("PROXY header, TLVs")
struct ProxyHeaderTLVTests {
    /// Captured from an AWS Network Load Balancer: CRC32C, VPC endpoint, NOOP.
    static let aws: [UInt8] =
        ProxyHeader.V2.signature
        + [0x21, 0x11, 0x00, 0x54]
        + [0xAC, 0x1F, 0x07, 0x71, 0xAC, 0x1F, 0x0A, 0x1F, 0xC8, 0xF2, 0x00, 0x50]
        + [0x03, 0x00, 0x04, 0xE8, 0xD6, 0x89, 0x2D]
        + [0xEA, 0x00, 0x17, 0x01] + "vpce-08d2bf15fac5001c9".utf8
        + [0x04, 0x00, 0x24] + [UInt8](repeating: 0, count: 36)

    private func tlvs(_ tlvs: [UInt8]) throws -> ProxyHeader {
        let progress = try parse(v2(0x21, 0x11, ipv4Block + tlvs))
        guard case .complete(let header, _) = progress else {
            throw ProxyHeader.FormatError(description: "\(progress)")
        }
        return header
    }

    @Test("a header captured from AWS has its endpoint's id and a good checksum")
    func capture() throws {
        guard case .complete(let header, 100) = try parse(Self.aws) else {
            Issue.record("not complete")
            return
        }
        #expect(header.source == (try ip("172.31.7.113", 51442)))
        #expect(header.destination == (try ip("172.31.10.31", 80)))
        #expect(header.vpcEndpointID == "vpce-08d2bf15fac5001c9")
        #expect(header.tlvs.map(\.type) == [.crc32c, .aws, .noop])
        try expectCompleteOnlyAtItsEnd(Self.aws)
        #expect(try header.serialized() == Self.aws)
    }

    @Test("the checksum is Castagnoli's")
    func checksum() {
        let digits = Array("123456789".utf8)
        let checksum = CRC32C.checksum(of: digits.span)
        #expect(checksum == 0xE306_9283)
    }

    @Test("no byte of a header with a checksum can change unnoticed", arguments: [true, false])
    func flips(isIPv4: Bool) throws {
        let address = try isIPv4 ? ip("192.0.2.1", 1) : ip("2001:db8::1", 1)
        let ssl = ProxyHeader.SSL(
            client: [.ssl],
            verify: 0,
            tlvs: [.init(type: .sslVersion, value: Array("TLSv1.3".utf8))]
        )
        let tlvs = [ssl.tlv, .init(type: .authority, value: Array("example.com".utf8))]
        let header = ProxyHeader(
            source: address,
            destination: address,
            tlvs: tlvs.compactMap { $0 }
        )
        let bytes = try header.serialized(checksum: true)
        for index in bytes.indices {
            for change in 1...255 as ClosedRange<UInt8> {
                var changed = bytes
                changed[index] ^= change
                guard case .complete(let header, _) = ProxyOutcome(changed) else { continue }
                // Only what makes the checksum itself unfindable goes through.
                #expect(header.value(of: .crc32c) == nil, "byte \(index) ^ \(change)")
            }
        }
    }

    @Test("a wrong checksum is refused under LOCAL too, and so is a second one")
    func wrongChecksum() {
        let wrong = v2(0x20, 0x00, [3, 0, 4, 0, 0, 0, 0])
        guard case .invalid(19, _) = ProxyOutcome(wrong) else {
            Issue.record("\(ProxyOutcome(wrong))")
            return
        }
        let twice = v2(0x21, 0x11, ipv4Block + [3, 0, 4, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0])
        #expect(ProxyOutcome(twice) == .invalid(offset: 35, expected: "one CRC32C"))
    }

    @Test("unknown types, duplicates and their order are kept")
    func kept() throws {
        let header = try tlvs([0xF8, 0, 1, 1, 0x99, 0, 0, 0xF8, 0, 1, 2])
        #expect(header.tlvs.map(\.type.rawValue) == [0xF8, 0x99, 0xF8])
        #expect(header.value(of: ProxyHeader.TLVType(rawValue: 0xF8)) == [1])
    }

    @Test("types with a meaning have a typed value")
    func typed() throws {
        #expect(try tlvs([1, 0, 2, 0x68, 0x32]).applicationProtocol == Array("h2".utf8))
        #expect(try tlvs([2, 0, 3, 0x61, 0x2E, 0x62]).authority == "a.b")
        #expect(try tlvs([2, 0, 1, 0xFF]).authority == nil)
        #expect(try tlvs([5, 0, 2, 0xFF, 0]).uniqueID == [0xFF, 0])
        #expect(try tlvs([0x30, 0, 2, 0x6E, 0x73]).networkNamespace == "ns")
        #expect(try tlvs([0xEE, 0, 5, 1, 0x78, 0x56, 0x34, 0x12]).privateLinkID == 0x1234_5678)
        #expect(try tlvs([0xEE, 0, 4, 1, 1, 1, 1]).privateLinkID == nil)
        let gcp: [UInt8] = [0xE0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]
        #expect(try tlvs(gcp).privateServiceConnectID == 0x0102_0304_0506_0708)
        #expect(try tlvs([0xE0, 0, 1, 1]).privateServiceConnectID == nil)
        let nothing = try tlvs([])
        #expect(nothing.authority == nil && nothing.ssl == nil && nothing.vpcEndpointID == nil)
    }

    @Test("TLS facts say who the client is, and whether that was verified")
    func ssl() throws {
        let details: [(ProxyHeader.TLVType, String)] = [
            (.sslVersion, "TLSv1.3"), (.sslCommonName, "Zoë"), (.sslCipher, "C"),
            (.sslSignatureAlgorithm, "SHA256"), (.sslKeyAlgorithm, "RSA2048"),
            (.sslGroup, "X25519"),
            (.sslSignatureScheme, "ed25519"), (.sslCertificate, "DER"),
        ]
        let ssl = ProxyHeader.SSL(
            client: [.ssl, .certificateInSession],
            verify: 0,
            tlvs: details.map { .init(type: $0, value: Array($1.utf8)) }
        )
        let tlv = try #require(ssl.tlv)
        let parsed = try #require(try tlvs(try tlv.serialized()).ssl)
        #expect(parsed == ssl)
        #expect(parsed.isClientVerified)
        #expect(parsed.version == "TLSv1.3" && parsed.commonName == "Zoë" && parsed.cipher == "C")
        #expect(parsed.signatureAlgorithm == "SHA256" && parsed.keyAlgorithm == "RSA2048")
        #expect(parsed.keyExchangeGroup == "X25519" && parsed.signatureScheme == "ed25519")
        #expect(parsed.certificate == Array("DER".utf8))
        #expect(!ProxyHeader.SSL(client: [.ssl], verify: 0).isClientVerified)
        let bad = ProxyHeader.SSL(client: [.ssl, .certificateOnConnection], verify: 1)
        #expect(!bad.isClientVerified)
        let zeros = [UInt8](repeating: 0, count: 65535)
        let long = ProxyHeader.TLV(type: .sslCertificate, value: zeros)
        #expect(ProxyHeader.SSL(client: [], verify: 0, tlvs: [long]).tlv == nil)
    }

    @Test("what is passed on are the addresses, and the TLVs that were asked for")
    func forwarded() throws {
        guard case .complete(let header, _) = try parse(Self.aws) else { return }
        #expect(header.forwarded().tlvs.isEmpty)
        #expect(header.forwarded().source == header.source)
        #expect(header.forwarded(keeping: [.aws, .noop, .crc32c]).tlvs.map(\.type) == [.aws])
    }
}
