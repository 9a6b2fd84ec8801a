// What a conformance suite found: every check, by its name, as passed, skipped or failed. A suite
// always runs to its end, so that one report shows the whole picture of a kind.

/// What a conformance suite ran, and what it left out.
public struct ConformanceReport: Sendable, CustomStringConvertible {
    /// A check that was not run.
    public struct Skip: Sendable, Hashable {
        /// The check's name.
        public var check: String
        /// Why the kind cannot do it.
        public var reason: String
    }

    /// The checks that passed, in order.
    public internal(set) var passed: [String] = []
    /// The checks that were left out.
    public internal(set) var skipped: [Skip] = []

    /// A line of numbers, and a line for each check that was skipped.
    public var description: String {
        (["\(passed.count) passed, \(skipped.count) skipped"]
            + skipped.map { "skipped: \($0.check): \($0.reason)" }).joined(separator: "\n")
    }
}

/// Checks of a conformance suite failed.
public struct ConformanceError: Error, CustomStringConvertible {
    /// A check that failed.
    public struct Failure: Sendable {
        /// The check's name.
        public var check: String
        /// What was expected, and what came instead.
        public var reason: String
    }

    /// The checks that failed, in order.
    public let failures: [Failure]
    /// The others.
    public let report: ConformanceReport

    /// A line of numbers, and a line for each check that failed or was skipped.
    public var description: String {
        (["\(failures.count) failed, \(report)"]
            + failures.map { "failed: \($0.check): \($0.reason)" }).joined(separator: "\n")
    }
}
