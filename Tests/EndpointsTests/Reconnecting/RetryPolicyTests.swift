import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// Always draws the same number.
private struct Constant: RandomNumberGenerator {
    let number: UInt64

    func next() -> UInt64 { number }
}

@Suite("Retry policy", .timeLimit(.minutes(1)))
struct RetryPolicyTests {
    private func delay(_ policy: RetryPolicy, _ failures: Int, seed: UInt64 = 1) -> Duration {
        var random = SplitMix(seed: seed)
        return policy.delay(afterFailures: failures, using: &random)
    }

    @Test(
        "the waits are the reference's, but for the jitter",
        arguments: [
            (1, 1.5), (2, 2.25), (3, 3.375), (4, 5.0625), (5, 7.59375), (10, 57.6650390625),
            (11, 60), (12, 60), (99, 60), (100, 60), (101, 60), (Int.max, 60),
        ] as [(Int, Double)]
    )
    func defaults(failures: Int, seconds: Double) {
        #expect(delay(.exponential(jitter: .zero), failures) == .seconds(seconds))
    }

    @Test(
        "initial and factor are the caller's",
        arguments: [(1, 1.5), (2, 4.5), (3, 13.5), (4, 40.5), (5, 60), (6, 60)] as [(Int, Double)]
    )
    func factors(failures: Int, seconds: Double) {
        let policy = RetryPolicy.exponential(
            initial: .milliseconds(500),
            factor: 3,
            jitter: .zero
        )
        #expect(delay(policy, failures) == .seconds(seconds))
    }

    @Test("a factor below 1 shrinks the waits")
    func shrinking() {
        let policy = RetryPolicy.exponential(initial: .seconds(8), factor: 0.5, jitter: .zero)
        #expect(
            (1...4).map { delay(policy, $0) } == [
                .seconds(4), .seconds(2), .seconds(1), .milliseconds(500),
            ]
        )
    }

    @Test("the jitter is at least 0, below its limit, and comes after the cap")
    func jitter() {
        var random = SplitMix(seed: 7)
        var seen: Set<Int64> = []
        for _ in 0..<1000 {
            let delay = RetryPolicy.exponential().delay(afterFailures: 50, using: &random)
            #expect(delay >= .seconds(60) && delay < .seconds(61))
            seen.insert((delay - .seconds(60)).components.attoseconds / 100_000_000_000_000_000)
        }
        #expect(seen == Set(0..<10), "every tenth of the range is hit")
    }

    @Test(
        "a generator that always draws the same number gets an answer, from 0 to just below the limit",
        arguments: [(0, 0), (1 << 62, 0.25), (1 << 63, 0.5), (.max, 1)] as [(UInt64, Double)]
    )
    func constantGenerator(number: UInt64, seconds: Double) {
        var generator = Constant(number: number)
        let policy = RetryPolicy.exponential(initial: .zero)
        let delay = policy.delay(afterFailures: 1, using: &generator)
        #expect(abs(delay / .seconds(1) - seconds) < 1e-9)
        #expect(delay < .seconds(1))
    }

    @Test("the same generator gives the same waits")
    func seeded() {
        #expect(delay(.exponential(), 3, seed: 5) == delay(.exponential(), 3, seed: 5))
        #expect(delay(.exponential(), 3, seed: 5) != delay(.exponential(), 3, seed: 6))
    }

    @Test("without a maximum the waits grow until the exponent stops")
    func unlimited() {
        let policy = RetryPolicy.exponential(factor: 1.1, maximum: nil, jitter: .zero)
        #expect(delay(policy, 50) > .seconds(60))
        #expect(delay(policy, 100) > delay(policy, 99))
        #expect(delay(policy, 101) == delay(policy, 100))
    }

    private static let longest = Duration.seconds(1 << 31)

    @Test(
        "nothing overflows or traps",
        arguments: [
            (.exponential(factor: 1e308, jitter: .zero), .seconds(60)),
            (.exponential(initial: .zero, factor: 1e308, jitter: .zero), .seconds(60)),
            (.exponential(factor: .infinity, jitter: .zero), .seconds(60)),
            (.exponential(factor: 1e308, maximum: nil, jitter: .zero), longest),
            (.exponential(factor: 10, maximum: nil, jitter: .zero), longest),
            (.exponential(initial: .seconds(Int64.max), jitter: .zero), .seconds(60)),
            (.exponential(maximum: .seconds(Int64.max), jitter: .zero), longest),
            (.exponential(maximum: nil, jitter: .seconds(Int64.max)), longest),
            (.exponential(factor: .nan, jitter: .zero), .zero),
            (.exponential(factor: -.infinity, jitter: .zero), .seconds(60)),
            (.exponential(factor: 0, jitter: .zero), .zero),
            (.exponential(initial: .seconds(-1), jitter: .zero), .zero),
            (.exponential(initial: .zero, jitter: .zero), .zero),
            (.exponential(maximum: .seconds(-1), jitter: .zero), .zero),
            (.exponential(maximum: .zero, jitter: .seconds(-1)), .zero),
            (.constant(.seconds(Int64.max)), longest),
            (.constant(.seconds(-1)), .zero),
            (.custom { _ in .seconds(Int64.min) }, .zero),
            (.custom { _ in .seconds(Int64.max) }, longest),
        ] as [(RetryPolicy, Duration)]
    )
    func extremes(policy: RetryPolicy, expected: Duration) {
        #expect(delay(policy, 101) == expected)
    }

    @Test("a negative delay is none")
    func negative() {
        #expect(delay(.exponential(factor: -2, jitter: .zero), 3) == .zero)
    }

    @Test("a count below 1 is treated as none", arguments: [0, -1, Int.min])
    func counts(failures: Int) {
        #expect(delay(.exponential(jitter: .zero), failures) == .seconds(1))
    }

    @Test("constant and custom waits are what they say")
    func others() {
        #expect(
            [1, 2, 9].map { delay(.constant(.seconds(5)), $0) }
                == Array(repeating: .seconds(5), count: 3)
        )
        #expect(
            [1, 2, 9].map { delay(.custom { .seconds($0) }, $0) } == [
                .seconds(1), .seconds(2), .seconds(9),
            ]
        )
    }
}
