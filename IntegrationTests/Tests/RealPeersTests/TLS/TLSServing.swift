// Servers of ours in the tests' own process, over TLS.

import Endpoints
import RealPeers
import Synchronization
import Testing

/// What a TLS server of ours does with a connection.
typealias Handler = @Sendable (Connection) async throws -> Void

/// Sends back what comes.
let echo: Handler = { connection in
    var buffer = ReadBuffer()
    while try await connection.read(into: &buffer) > 0 {
        try await connection.write(buffer)
        buffer.removeAll()
    }
}

/// Answers each line with what the connection tells of itself: what we know can then be compared with
/// what the peer prints.
let tellFacts: Handler = { connection in
    for try await line in connection.lines() {
        try await connection.write("\(line): \(connection.tls?.line ?? "none")\n".utf8)
    }
}

extension TLSFacts {
    /// All that tests compare, in one line.
    var line: String {
        """
        TLS \(version.rawValue) alpn=\(applicationProtocol ?? "-") name=\(serverName ?? "-") \
        resumed=\(isResumed) peer=\(isPeerVerified ? peerCertificates[0].subject : "-")
        """
    }
}

/// Serves TLS while `body` runs, which gets the port.
nonisolated(nonsending) func withTLSServer(
    _ configuration: TLSServerConfiguration,
    _ handler: @escaping Handler = tellFacts,
    _ body: nonisolated(nonsending) (_ port: String, _ listener: Listener) async throws -> Void
) async throws {
    try await withServer(
        TLSServerEndpoint(port: 0, interface: "127.0.0.1", configuration),
        handler,
        body
    )
}

/// Serves while `body` runs, which gets the port.
nonisolated(nonsending) func withServer(
    _ endpoint: any ServerEndpoint,
    _ handler: @escaping Handler,
    _ body: nonisolated(nonsending) (_ port: String, _ listener: Listener) async throws -> Void
) async throws {
    let listener = try await endpoint.listen()
    let serving = Task { try await listener.serve { try await handler($0) } }
    do {
        try await body(listener.addresses.first?.port.map { "\($0)" } ?? "", listener)
    } catch {
        serving.cancel()
        throw error
    }
    await listener.close()
    try await serving.value
}

extension AsyncStream<ListenerEvent> {
    /// The error of the next connection that fails before it is ready.
    func nextFailure() async throws -> EndpointError {
        for await event in self {
            if case .failed(_, let error) = event { return try #require(error as? EndpointError) }
        }
        throw CancellationError()
    }
}

/// Tells tasks that go on and on that it is over.
final class Flag: Sendable {
    private let state = Atomic(false)
    var isSet: Bool { state.load(ordering: .relaxed) }
    func set() { state.store(true, ordering: .relaxed) }
}
