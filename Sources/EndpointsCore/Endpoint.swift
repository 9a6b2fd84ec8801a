// The two protocols that everything else is about: a value that says where, apart from the act of
// going there. An endpoint opens nothing until it is asked to connect or listen, can be used any
// number of times, and prints as the string that makes it.
//
// That string may hold a password. So there is a second one for whoever tells others of an endpoint:
// logs, errors, events.

import Logging

/// What clients' and servers' endpoints have in common: how they print.
public protocol Endpoint: Sendable, CustomStringConvertible {
    /// The description with secrets masked and control characters escaped, for logs and errors.
    ///
    /// Defaults to the description, escaped. A wrapper puts what it wraps into its own text in this
    /// form.
    var redacted: String { get }
}

extension Endpoint {
    /// The description with control characters escaped; it has no secrets unless a kind says so.
    public var redacted: String { EndpointError.escapingControls(description) }
}

/// Where to connect: a value, made in code or from a string.
public protocol ClientEndpoint: Endpoint {
    /// Makes one attempt to connect, and returns when the connection can carry the caller's bytes.
    ///
    /// Cancellation: stops at once, wherever it is, and leaves no descriptor, task or timer.
    ///
    /// - Parameter context: The loops, the logger and the resolver to use.
    /// - Returns: The connection, its facts final.
    /// - Throws: ``EndpointError``, or `CancellationError`.
    func connect(in context: EndpointContext) async throws -> Connection
}

/// Where to listen: a value, made in code or from a string.
public protocol ServerEndpoint: Endpoint {
    /// Begins to listen, and returns when clients can connect.
    ///
    /// Cancellation: nothing that was bound remains.
    ///
    /// - Parameter context: The loops, the logger and the resolver to use.
    /// - Returns: The listener, its addresses the real ones.
    /// - Throws: ``EndpointError``, or `CancellationError`.
    func listen(in context: EndpointContext) async throws -> Listener

    /// The endpoint that listens on just this address: with the real port where the string says 0.
    ///
    /// Defaults to the endpoint itself.
    ///
    /// - Parameter address: One of ``Listener/addresses``.
    /// - Returns: The endpoint, which prints as the string for this address.
    func bound(to address: SocketAddress) -> any ServerEndpoint

    /// Whether there are files that ``reload(logger:)`` reads again. Defaults to `false`.
    var isReloadable: Bool { get }

    /// Reads the files again; connections made from now on use what they hold.
    ///
    /// Defaults to doing nothing.
    ///
    /// - Parameter logger: Receives warnings about the files.
    /// - Throws: ``EndpointError``; then whatever could not be read stays as it was.
    func reload(logger: Logger) throws
}

extension ServerEndpoint {
    /// The endpoint itself.
    public func bound(to address: SocketAddress) -> any ServerEndpoint { self }

    /// No: there are no files to read again.
    public var isReloadable: Bool { false }

    /// Does nothing.
    public func reload(logger: Logger) throws {}

    /// Reads the files again; warnings go to a logger labelled `endpoints`.
    ///
    /// - Throws: ``EndpointError``; then whatever could not be read stays as it was.
    public func reload() throws { try reload(logger: Logger(label: "endpoints")) }
}

extension ClientEndpoint {
    /// Connects on the shared loops; see ``connect(in:)``.
    ///
    /// - Throws: ``EndpointError``, or `CancellationError`.
    public func connect() async throws -> Connection {
        try await connect(in: EndpointContext())
    }
}

extension ServerEndpoint {
    /// Listens on the shared loops; see ``listen(in:)``.
    ///
    /// - Throws: ``EndpointError``, or `CancellationError`.
    public func listen() async throws -> Listener {
        try await listen(in: EndpointContext())
    }
}

extension ClientEndpoint {
    /// Connects, runs `body` with the connection, and closes it on every way out.
    ///
    /// The body runs where its caller runs, and may change the caller's variables. The close says
    /// goodbye even when the task has been cancelled, bounded by a second.
    ///
    /// Cancellation: of connecting as ``connect(in:)``; in the body as its own.
    ///
    /// - Throws: What connecting or the body throws.
    public nonisolated(nonsending) func withConnection<Result>(
        in context: EndpointContext = EndpointContext(),
        _ body: nonisolated(nonsending) (Connection) async throws -> Result
    ) async throws -> Result {
        let connection = try await connectObserved(in: context)
        do {
            let result = try await body(connection)
            await connection.closeShielded()
            return result
        } catch {
            await connection.closeShielded()
            throw error
        }
    }
}
