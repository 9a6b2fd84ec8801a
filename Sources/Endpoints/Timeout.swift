/// The time ran out.
public struct TimeoutError: Error {
    /// How long was given.
    public var duration: Duration
    /// What the body threw.
    public var underlying: any Error
}
/// Runs body with a time limit.
public nonisolated(nonsending) func withTimeout<Result>(
    _ timeout: Duration, _ body: nonisolated(nonsending) () async throws -> Result
) async throws -> Result { try await body() }
