import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("PROXY header, random input")
struct ProxyHeaderFuzzTests {
    private static let seeds: [[UInt8]] = [
        Array("PROXY TCP4 192.0.2.1 198.51.100.7 49152 443\r\n".utf8),
        Array("PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 49152 443\r\n".utf8),
        Array("PROXY UNKNOWN text\r\n".utf8),
        v2(0x21, 0x11, ipv4Block + [0x20, 0, 8, 1, 0, 0, 0, 0, 0x21, 0, 0, 4, 0, 0]),
        v2(0x21, 0x21, ipv6Block), v2(0x21, 0x31, unixBlock([0x2F], [0, 0x61])),
        v2(0x20, 0x00, [5, 0, 1, 1]), ProxyHeaderTLVTests.aws,
    ]

    @Test("no input traps, and a header's bytes say the same when it is sent again")
    func mutations() {
        var random = SeededGenerator(seed: 3)
        for round in fuzzRounds(100_000) {
            let seed = Self.seeds[round % Self.seeds.count]
            let bytes =
                round % 10 == 0
                ? .random(count: round % 64, using: &random) : seed.mutated(using: &random)
            guard case .complete(let header, let length) = ProxyOutcome(bytes) else { continue }
            #expect(length <= bytes.count)
            // Bytes that are not UTF-8 in a path were repaired, and may have grown too long.
            guard let again = try? header.serialized() else { continue }
            guard case .complete(let same, again.count) = ProxyOutcome(again) else {
                Issue.record("\(bytes)")
                continue
            }
            #expect(same.source == header.source && same.destination == header.destination)
        }
    }

    @Test("bytes that come one by one give the same answer as all at once")
    func pieces() {
        var random = SeededGenerator(seed: 4)
        for round in 0..<2_000 {
            let bytes = Self.seeds[round % Self.seeds.count].mutated(using: &random)
            #expect(ProxyOutcome.fedByteByByte(bytes) == ProxyOutcome(bytes), "\(bytes)")
        }
    }
}
