// A time limit tells what hangs from what is slow, and only who knows the machine can say how slow
// that may be: one factor for all of the kit's limits, out of the environment, so that no test
// needs to be changed for a sanitizer, an emulator or a busy machine.

import CEndpoints

/// How much longer than usual the time limits of tests are on this machine.
///
/// ```sh
/// ENDPOINTS_TESTING_PATIENCE=10 swift test --sanitize=thread
/// ```
///
/// It holds for all limits of the kit, those that a test names included: `timeout` of
/// ``verifyEndpoint(_:registry:skipping:timeout:client:)`` and its kin, `promptness` and `patience`
/// of ``checkCancellation(promptness:patience:checksDescriptors:limit:_:)``, and how long what a
/// ``Testing/Trait/leakFree`` test has left may take to go away.
public enum TestPatience {
    /// The environment variable that says it: a number of at least 1.
    public static let variable = "ENDPOINTS_TESTING_PATIENCE"

    /// By how much limits are multiplied; 1 where the variable says nothing, or nothing sensible.
    public static let factor = factor(getenv(variable).map { String(cString: $0) })

    /// A limit as it is on this machine.
    ///
    /// For a program's own tests as well.
    ///
    /// - Parameter limit: As it is on a machine that does nothing else.
    /// - Returns: The limit times ``factor``.
    public static func limit(_ limit: Duration) -> Duration { self.limit(limit, times: factor) }

    static func factor(_ text: String?) -> Double {
        guard let text, let factor = Double(text), factor >= 1, factor <= 1_000 else { return 1 }
        return factor
    }

    static func limit(_ limit: Duration, times factor: Double) -> Duration {
        // A limit of years stays what it is: what multiplies a duration traps when it overflows.
        if factor == 1 || limit > .seconds(1 << 40) { return limit }
        return limit * factor
    }
}
