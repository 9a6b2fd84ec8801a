// How long to wait before the next attempt: a value, asked once a wait.
//
// The exponent is the number of failures, so that the first wait is already `initial · factor`.
// Jitter is added after the cap: clients that have all reached the longest wait, since one server
// was down for long, would otherwise come back in step. No argument can overflow or trap: whatever
// is not a sensible wait becomes none, or the longest.

/// How long a ``ReconnectingClient`` waits before it tries again.
public struct RetryPolicy: Sendable {
    private enum Rule: Sendable {
        case exponential(initial: Duration, factor: Double, maximum: Duration?, jitter: Duration)
        case constant(Duration)
        case custom(@Sendable (_ failures: Int) -> Duration)
    }

    /// How long a connection must have lived before its loss counts as the first failure.
    ///
    /// Zero unless told: every success starts the count anew, and a peer that drops each connection
    /// at once is tried again after the first delay for ever. With more, such a peer is backed off
    /// from as if the attempts had failed.
    public var resetAfter: Duration = .zero

    private let rule: Rule

    /// Waits longer from failure to failure: `min(initial · factor^failures, maximum) + jitter`.
    ///
    /// With nothing told and without the jitter, the waits are 1.5 s, 2.25 s, 3.375 s, …, and 60 s
    /// from the eleventh on.
    ///
    /// - Parameters:
    ///   - initial: What is multiplied; 1 s unless told. The first wait is `initial · factor`.
    ///   - factor: What multiplies it, once a failure, a hundred times at most; 1.5 unless told.
    ///     Below 1 the waits shrink.
    ///   - maximum: The longest wait before the jitter; 60 s unless told, `nil` for none.
    ///   - jitter: Up to how much, exclusive, is added by chance; 1 s unless told.
    /// - Returns: The policy.
    public static func exponential(
        initial: Duration = .seconds(1),
        factor: Double = 1.5,
        maximum: Duration? = .seconds(60),
        jitter: Duration = .seconds(1)
    ) -> RetryPolicy {
        RetryPolicy(
            rule: .exponential(initial: initial, factor: factor, maximum: maximum, jitter: jitter)
        )
    }

    /// Waits equally long each time.
    ///
    /// - Parameter delay: How long; negative waits not at all.
    /// - Returns: The policy.
    public static func constant(_ delay: Duration) -> RetryPolicy {
        RetryPolicy(rule: .constant(delay))
    }

    /// Waits as long as the closure says.
    ///
    /// - Parameter delay: Told how many attempts and connections in a row have failed, from 1, it says
    ///   how long to wait; negative waits not at all.
    /// - Returns: The policy.
    public static func custom(
        _ delay: @escaping @Sendable (_ failures: Int) -> Duration
    ) -> RetryPolicy {
        RetryPolicy(rule: .custom(delay))
    }

    private init(rule: Rule) { self.rule = rule }

    /// How long to wait after so many failures in a row.
    ///
    /// - Parameters:
    ///   - failures: Failed attempts and lost connections since the last success, from 1.
    ///   - generator: Where the jitter comes from.
    /// - Returns: At least zero, at most 2³¹ seconds.
    public func delay(
        afterFailures failures: Int,
        using generator: inout some RandomNumberGenerator
    ) -> Duration {
        switch rule {
        case .exponential(let initial, let factor, let maximum, let jitter):
            let power = raise(factor, to: failures)
            let base = scale(initial, by: power, atMost: maximum ?? Self.longest)
            return clamp(clamp(base) + chance(below: jitter, using: &generator))
        case .constant(let delay):
            return clamp(delay)
        case .custom(let delay):
            return clamp(delay(failures))
        }
    }

    /// Some 68 years: timers count nanoseconds in 64 bits.
    private static let longest = Duration.seconds(1 << 31)

    private func clamp(_ delay: Duration) -> Duration { min(max(delay, .zero), Self.longest) }

    private func raise(_ factor: Double, to failures: Int) -> Double {
        var power = 1.0
        for _ in 0..<min(max(failures, 0), 100) { power *= factor }
        return power
    }

    private func scale(_ initial: Duration, by power: Double, atMost maximum: Duration) -> Duration
    {
        if power == .infinity { return maximum }
        let seconds = initial / .seconds(1) * power
        if seconds.isNaN || seconds <= 0 { return min(.zero, maximum) }
        // Compared before it is made: a duration of too many seconds traps.
        if seconds >= clamp(maximum) / .seconds(1) { return maximum }
        return .seconds(seconds)
    }

    /// Draws once: a range from the standard library draws until a number suits it, which those of a
    /// caller's own generator may never do.
    private func chance(
        below limit: Duration,
        using generator: inout some RandomNumberGenerator
    ) -> Duration {
        let limit = clamp(limit)
        let part = UInt128(generator.next()) << 64  // of 2¹²⁸
        let attoseconds = UInt128(limit.attoseconds).multipliedFullWidth(by: part).high
        return Duration(attoseconds: Int128(attoseconds))
    }
}
