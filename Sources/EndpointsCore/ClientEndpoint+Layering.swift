// Connecting over another endpoint: its connection first, then what makes ours of that. One time limit
// covers both, and who runs out of it says in which of the two.

extension ClientEndpoint {
    /// Connects to `inner` and makes our connection of that, all within `timeout`.
    ///
    /// Cancellation: as that of the two steps; `open` ends the connection that it was given.
    ///
    /// - Parameters:
    ///   - inner: What to connect over.
    ///   - timeout: How long both steps may take together.
    ///   - phase: What the second step is called.
    ///   - context: As for ``ClientEndpoint/connect(in:)``.
    ///   - open: Makes our connection, or ends the one it was given and throws.
    /// - Returns: Our connection.
    /// - Throws: `timedOut`, with the phase; what the steps throw.
    package nonisolated(nonsending) func connect(
        over inner: any ClientEndpoint,
        within timeout: Duration,
        then phase: EndpointError.Phase,
        in context: EndpointContext,
        _ open: nonisolated(nonsending) (Connection) async throws -> Connection
    ) async throws -> Connection {
        var current = EndpointError.Phase.connect
        do {
            return try await withTimeout(timeout) {
                let connection = try await inner.connect(in: context)
                current = phase
                return try await open(connection)
            }
        } catch let error as TimeoutError {
            throw EndpointError.timedOut(
                after: error.duration,
                operation: "connect",
                endpoint: redacted,
                phase: current
            )
        }
    }
}
