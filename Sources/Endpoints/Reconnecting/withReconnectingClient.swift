// A client whose life is a scope. The closing at its end must not inherit the cancellation of the task
// that leaves the scope: a cancelled `stop` resets. It runs in a task of its own, bounded in time.

/// Runs `body` with a client that is started before and stopped after, however `body` ends.
///
/// Stopping closes the connection and gives it 30 seconds for that, or one second where the task is
/// cancelled; then it is reset.
///
/// Cancellation is `body`'s to notice, as it is in ``ReconnectingClient/whenConnected(failAfterFailures:)``.
///
/// - Parameters:
///   - endpoint: Where to connect.
///   - context: Loops, logger and resolver; the shared ones unless told.
///   - retry: How long to wait between attempts; exponential unless told.
///   - clock: What the waits are measured by; the loops' timers unless told.
///   - random: Where the jitter comes from; the system's generator unless told.
///   - prepare: Makes the instance of a new connection; see ``ReconnectingClient``.
///   - body: What to do meanwhile. It runs where the caller runs and may change the caller's
///     variables.
/// - Returns: What `body` returns.
/// - Throws: What `body` throws.
public nonisolated(nonsending) func withReconnectingClient<Instance: Sendable, Result>(
    _ endpoint: some ClientEndpoint,
    in context: EndpointContext = EndpointContext(),
    retry: RetryPolicy = .exponential(),
    clock: (any Clock<Duration>)? = nil,
    random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
    prepare: @escaping @Sendable (isolated Connection) async throws -> Instance,
    body: nonisolated(nonsending) (ReconnectingClient<Instance>) async throws -> Result
) async throws -> Result {
    let client = ReconnectingClient(
        endpoint,
        in: context,
        retry: retry,
        clock: clock,
        random: random,
        prepare: prepare
    )
    return try await withStarted(client, body)
}

/// The scope of a client, apart from its making.
nonisolated(nonsending) func withStarted<Instance: Sendable, Result>(
    _ client: ReconnectingClient<Instance>,
    _ body: nonisolated(nonsending) (ReconnectingClient<Instance>) async throws -> Result
) async throws -> Result {
    await client.start()
    do {
        let result = try await body(client)
        await stopShielded(client)
        return result
    } catch {
        await stopShielded(client)
        throw error
    }
}

/// Stops within a second where the task is cancelled already; a cancellation that comes later resets.
private nonisolated(nonsending) func stopShielded<Instance: Sendable>(
    _ client: ReconnectingClient<Instance>
) async {
    guard !Task.isCancelled else {
        return await Task { await client.stop(within: reconnectingGrace) }.value
    }
    await client.stop()
}
