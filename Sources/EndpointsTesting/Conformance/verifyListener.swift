// The listener's part of the suite. How a client reaches a listener is the caller's to say, so the
// same checks do for a port, a path, a name in memory, and a wrapper round any of these.

import Endpoints

/// A listener, and the way to it.
struct ListenerSetting: Sendable {
    let listener: Listener
    let client: any ClientEndpoint

    func connect() async throws -> Connection { try await client.connect() }

    func tearDown() async { await listener.drain(within: .zero) }
}

/// Checks that listeners do all that the library promises of any listener.
///
/// ```swift
/// try await verifyListener {
///     let listener = try await server.listen()
///     return (listener, .tcp(host: "127.0.0.1", port: listener.addresses[0].port ?? 0))
/// }
/// ```
///
/// Every check gets a listener of its own.
///
/// Cancellation: ends the check that runs, and throws.
///
/// - Parameters:
///   - skipping: Checks, by their names, that the kind cannot pass, each with the reason;
///     ``listenerCheckNames`` has them.
///   - timeout: How long one check may take; 60 s unless told, times
///     ``TestPatience``.
///   - makeListener: Makes a listener, and a client's endpoint that reaches it. The suite closes it.
/// - Returns: Which checks passed, and which were skipped.
/// - Throws: ``ConformanceError``, which lists each check that failed; `CancellationError`;
///   `EndpointError` with code `invalidArgument` for a name in `skipping` that no check has.
@discardableResult
public func verifyListener(
    skipping: [String: String] = [:],
    timeout: Duration = .seconds(60),
    _ makeListener: @escaping @Sendable () async throws -> (Listener, any ClientEndpoint)
) async throws -> ConformanceReport {
    try checkSkips(skipping, among: listenerCheckNames)
    let run = ConformanceRun<ListenerSetting>(
        timeout: TestPatience.limit(timeout),
        skipping: skipping,
        make: {
            let (listener, client) = try await makeListener()
            return ListenerSetting(listener: listener, client: client)
        },
        tearDown: { await $0.tearDown() }
    )
    return try await run.run(acceptChecks + serveChecks)
}

/// The names of the checks that ``verifyListener(skipping:timeout:_:)`` runs.
public var listenerCheckNames: [String] { (acceptChecks + serveChecks).map(\.name) }
