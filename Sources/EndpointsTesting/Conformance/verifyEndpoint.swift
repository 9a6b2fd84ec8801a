// The whole suite for a kind: its strings, its listening and connecting, its listeners, and the
// connections between the two. Third-party kinds are checked as our own are.

import Endpoints

/// A kind's two sides.
struct EndpointSetting: Sendable {
    let server: any ServerEndpoint
    let client: @Sendable (Listener) throws -> any ClientEndpoint
    let registry: EndpointRegistry

    /// Listens, and says how a client gets there.
    func listen() async throws -> (Listener, any ClientEndpoint) {
        let listener = try await server.listen()
        do { return (listener, try client(listener)) } catch {
            await listener.close()
            throw error
        }
    }

    /// The two ends of a new connection; the listener is closed behind it.
    func connect() async throws -> (Connection, Connection) {
        let (listener, client) = try await listen()
        async let accepted = first(of: listener)
        do {
            let near = try await client.connect()
            guard let far = await accepted else {
                near.abort()
                throw Unexpected("the listener gave no connection")
            }
            await listener.close()
            return (near, far)
        } catch {
            await listener.close()
            throw error
        }
    }
}

private func first(of listener: Listener) async -> Connection? {
    var iterator = listener.makeAsyncIterator()
    return await iterator.next()
}

/// Checks that a kind of endpoint does all that the library promises of any kind.
///
/// Runs the kind's own checks (its strings, connecting, listening, cancellation of both), then those
/// of ``verifyListener(skipping:timeout:_:)`` and ``verifyConnection(skipping:timeout:_:)`` on what
/// it makes.
///
/// Cancellation: ends the check that runs, and throws.
///
/// - Parameters:
///   - server: Where to listen. It is listened on many times, one after the other.
///   - registry: What parses the kind's strings; the library's own kinds unless told.
///   - skipping: Checks, by their names, that the kind cannot pass, each with the reason;
///     ``endpointCheckNames`` has them.
///   - timeout: How long one check may take; 60 s unless told, times
///     ``TestPatience``.
///   - client: Makes the endpoint by which a client reaches the listener, such as the port that it
///     got.
/// - Returns: Which checks passed, and which were skipped.
/// - Throws: ``ConformanceError``, which lists each check that failed; `CancellationError`;
///   `EndpointError` with code `invalidArgument` for a name in `skipping` that no check has.
@discardableResult
public func verifyEndpoint(
    _ server: any ServerEndpoint,
    registry: EndpointRegistry = .standard,
    skipping: [String: String] = [:],
    timeout: Duration = .seconds(60),
    client: @escaping @Sendable (Listener) throws -> any ClientEndpoint
) async throws -> ConformanceReport {
    try checkSkips(skipping, among: endpointCheckNames)
    let setting = EndpointSetting(server: server, client: client, registry: registry)
    let run = ConformanceRun<EndpointSetting>(
        timeout: TestPatience.limit(timeout),
        skipping: skipping,
        make: { setting },
        tearDown: { _ in }
    )
    var collected = CollectedReports()
    try await collected.add { try await run.run(endpointChecks) }
    try await collected.add {
        try await verifyListener(
            skipping: skipping.filter { listenerCheckNames.contains($0.key) },
            timeout: timeout
        ) { try await setting.listen() }
    }
    try await collected.add {
        try await verifyConnection(
            skipping: skipping.filter { connectionCheckNames.contains($0.key) },
            timeout: timeout
        ) { try await setting.connect() }
    }
    return try collected.result()
}

/// Checks a kind whose client needs to know nothing of the listener, such as a path or a name; see
/// ``verifyEndpoint(_:registry:skipping:timeout:client:)``.
///
/// - Parameters:
///   - server: Where to listen.
///   - client: Where to connect.
///   - registry: What parses the kind's strings; the library's own kinds unless told.
///   - skipping: Checks, by their names, that the kind cannot pass, each with the reason.
///   - timeout: How long one check may take; 60 s unless told, times
///     ``TestPatience``.
/// - Returns: Which checks passed, and which were skipped.
/// - Throws: ``ConformanceError``, `CancellationError`, or `EndpointError` for a wrong name.
@discardableResult
public func verifyEndpoint(
    _ server: any ServerEndpoint,
    _ client: any ClientEndpoint,
    registry: EndpointRegistry = .standard,
    skipping: [String: String] = [:],
    timeout: Duration = .seconds(60)
) async throws -> ConformanceReport {
    try await verifyEndpoint(
        server,
        registry: registry,
        skipping: skipping,
        timeout: timeout,
        client: { _ in client }
    )
}

/// The names of the checks that ``verifyEndpoint(_:registry:skipping:timeout:client:)`` runs.
public var endpointCheckNames: [String] {
    endpointChecks.map(\.name) + listenerCheckNames + connectionCheckNames
}

/// Several suites as one.
private struct CollectedReports {
    private var report = ConformanceReport()
    private var failures: [ConformanceError.Failure] = []

    mutating func add(_ suite: () async throws -> ConformanceReport) async throws {
        do { add(try await suite()) } catch let error as ConformanceError {
            add(error.report)
            failures += error.failures
        }
    }

    private mutating func add(_ other: ConformanceReport) {
        report.passed += other.passed
        report.skipped += other.skipped
    }

    func result() throws -> ConformanceReport {
        if failures.isEmpty { return report }
        throw ConformanceError(failures: failures, report: report)
    }
}
