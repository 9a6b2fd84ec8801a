import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// The value in an object, which an expectation may change.
private final class Limiter {
    private var value: SourceRateLimiter
    var count: Int { value.count }

    init(_ rate: SourceRate) { value = SourceRateLimiter(rate) }

    func admits(_ address: SocketAddress, at now: UInt64) -> Bool {
        value.admits(address, at: now)
    }
}

@Suite("The rate of a source")
struct SourceRateLimiterTests {
    private let second: UInt64 = 1_000_000_000

    private func address(_ ip: String) throws -> SocketAddress {
        try SocketAddress(ip: ip, port: UInt16.random(in: 1...UInt16.max))
    }

    @Test("a burst at once, then so many a second; the ports do not matter")
    func burst() throws {
        let limiter = Limiter(SourceRate(perSecond: 2, burst: 5))
        var now = 1000 * second
        for _ in 0..<5 { #expect(limiter.admits(try address("192.0.2.1"), at: now)) }
        #expect(!limiter.admits(try address("192.0.2.1"), at: now))
        #expect(limiter.admits(try address("192.0.2.2"), at: now), "another source")
        for _ in 0..<10 {
            now += second / 2
            #expect(limiter.admits(try address("192.0.2.1"), at: now))
            #expect(!limiter.admits(try address("192.0.2.1"), at: now))
        }
        now += 3600 * second
        for _ in 0..<5 { #expect(limiter.admits(try address("192.0.2.1"), at: now)) }
        #expect(!limiter.admits(try address("192.0.2.1"), at: now))
    }

    @Test(
        "what is no rate admits the burst and no more",
        arguments: [0, -1, -.infinity, .nan] as [Double]
    )
    func noRate(perSecond: Double) throws {
        let limiter = Limiter(SourceRate(perSecond: perSecond, burst: 2))
        for _ in 0..<2 { #expect(limiter.admits(try address("192.0.2.1"), at: second)) }
        #expect(!limiter.admits(try address("192.0.2.1"), at: 3600 * second))
    }

    @Test("who is refused loses nothing by trying")
    func refusal() throws {
        let limiter = Limiter(SourceRate(perSecond: 1, burst: 1))
        let start = 5 * second
        #expect(limiter.admits(try address("192.0.2.1"), at: start))
        for step in 1..<100 {
            #expect(
                !limiter.admits(try address("192.0.2.1"), at: start + UInt64(step) * 10_000_000)
            )
        }
        #expect(limiter.admits(try address("192.0.2.1"), at: start + second))
    }

    @Test(
        "what is one source",
        arguments: [
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("fe80::1", "fe80::2", false),
        ]
    )
    func sources(first: String, second: String, isOne: Bool) throws {
        let limiter = Limiter(SourceRate(perSecond: 1, burst: 1))
        #expect(limiter.admits(try address(first), at: 0))
        #expect(limiter.admits(try address(second), at: 0) == !isOne)
    }

    @Test("what has no IP address is not limited, nor remembered")
    func unnamed() {
        let limiter = Limiter(SourceRate(perSecond: 0.001, burst: 1))
        for _ in 0..<10 { #expect(limiter.admits(SocketAddress(path: "/run/app.sock"), at: 0)) }
        #expect(limiter.count == 0)
    }

    @Test("a flood of sources takes no more memory than was said, and those seen last are kept")
    func flood() throws {
        let limiter = Limiter(SourceRate(perSecond: 0.001, burst: 1, sources: 1000))
        let regular = try address("192.0.2.1")
        #expect(limiter.admits(regular, at: 0))
        for number in 0..<100_000 {
            let source = SocketAddress(.ipv4(0x0a00_0000 + UInt32(number), port: 1))
            #expect(limiter.admits(source, at: 0))
            if number % 400 == 0 { #expect(!limiter.admits(regular, at: 0)) }
            #expect(limiter.count <= 1000)
        }
    }

    @Test(
        "no number of a caller's traps",
        arguments: [0, -1, .infinity, .nan, 1e-300, 1e300, .leastNonzeroMagnitude],
        [Int.min, -1, 0, 1, .max]
    )
    func extremes(perSecond: Double, burst: Int) throws {
        let limiter = Limiter(
            SourceRate(perSecond: perSecond, burst: burst, sources: burst)
        )
        #expect(limiter.admits(try address("192.0.2.1"), at: .max / 2))
        _ = limiter.admits(try address("192.0.2.1"), at: .max / 2 + 1)
    }
}
