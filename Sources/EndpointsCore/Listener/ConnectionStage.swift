// What must happen to an accepted connection before it is handed out: a PROXY header, a TLS
// handshake, a protocol's own upgrade.
//
// A wrapper endpoint puts its stage into the context and asks its inner endpoint to listen. So stages
// travel from the outside in, in the order in which the bytes come (`haproxy:tls:…` reads the header
// in the clear first), and one listener runs all of them, bounded in number and time.

/// Makes the client's endpoint that gets through a stage, of the one that reaches the stage before.
public typealias ClientWrapper = @Sendable (any ClientEndpoint) -> (any ClientEndpoint)?

/// A step that makes an accepted connection ready.
package struct ConnectionStage: Sendable {
    /// What it is called in errors: `TLS handshake`.
    package let name: String
    /// `nil` if the step keeps time by itself, which saves a task.
    let timeout: Duration?
    /// What a client does to get through it; `nil` if nobody has said.
    let client: ClientWrapper?
    /// Runs on the connection's loop, isolated to it.
    let body: nonisolated(nonsending) @Sendable (Connection) async throws -> Connection
    /// Whether it tells where the connection really comes from.
    package var namesSource = false

    /// Runs the stage on a connection; whatever it throws names the stage and the peer.
    nonisolated(nonsending) func run(_ connection: Connection) async throws -> Connection {
        guard let timeout else { return try await body(connection) }
        do {
            return try await withTimeout(timeout) { try await body(connection) }
        } catch let error as TimeoutError {
            throw EndpointError(
                .timedOut,
                operation: name,
                endpoint: "from \(connection.remoteAddress)",
                reason: "not finished after \(error.duration.inSeconds)"
            )
        }
    }
}

extension EndpointContext {
    /// A context in which what is listened on prepares each connection before it is handed out.
    ///
    /// For server endpoints that wrap another: `try await inner.listen(in: context.preparing(…))`.
    /// Connections are prepared beside each other, bounded in number; one that throws or takes too
    /// long is reset, and reported by ``Listener/events``.
    ///
    /// - Parameters:
    ///   - name: What the step is called in errors, such as `TLS handshake`.
    ///   - timeout: How long it may take; `nil` for a step that keeps time by itself.
    ///   - client: Makes the endpoint by which a client gets through this step, for
    ///     ``Listener/clientEndpoints``.
    ///   - body: Makes the connection ready, on its loop: the same one, or one made from it.
    /// - Returns: The context, with this step behind those that it has already.
    public func preparing(
        _ name: String,
        timeout: Duration? = .seconds(10),
        client: ClientWrapper? = nil,
        _ body:
            nonisolated(nonsending) @escaping @Sendable (Connection) async throws -> Connection
    ) -> EndpointContext {
        var context = self
        let stage = ConnectionStage(name: name, timeout: timeout, client: client, body: body)
        context.request.stages.append(stage)
        return context
    }
}
