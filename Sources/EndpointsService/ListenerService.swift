// Listening as a service of swift-service-lifecycle, after Twisted's strports service: nothing is
// opened before `run`, and a graceful shutdown is a drain.
//
// Two things end `run`. Cancellation is the listener's own: `serve` closes and throws. A graceful
// shutdown is told by a callback that must not wait, so a child task waits for it, drains, and tells
// the log what became of the handlers; `serve`, which runs beside it, then returns by itself.

import Endpoints
import Logging
import ServiceLifecycle

/// Serves an endpoint for as long as its service group runs.
///
/// It listens when the group runs it, and runs the handler as ``/Endpoints/Listener/serve(limits:_:)``
/// does. On graceful shutdown it takes no more connections, waits for the handlers, and aborts those
/// that take too long.
///
/// After Twisted's `StreamServerEndpointService`.
public final class ListenerService: Service, CustomStringConvertible {
    /// Where it listens.
    public let endpoint: any ServerEndpoint
    private let context: EndpointContext
    private let limits: ServeLimits
    private let drain: Duration
    private let handler: @Sendable (isolated Connection) async throws -> Void
    private let start = ServiceStart()

    /// Makes the service of an endpoint.
    ///
    /// - Parameters:
    ///   - endpoint: Where to listen.
    ///   - context: Loops, logger and resolver; the shared ones unless told.
    ///   - limits: What the clients may have; the usual unless told.
    ///   - drain: How long handlers may go on after a graceful shutdown has begun; 30 s unless
    ///     told. Zero aborts them at once.
    ///   - handler: Runs for each connection, isolated to it.
    public init(
        _ endpoint: some ServerEndpoint,
        in context: EndpointContext = EndpointContext(),
        limits: ServeLimits = ServeLimits(),
        drain: Duration = .seconds(30),
        _ handler: @escaping @Sendable (isolated Connection) async throws -> Void
    ) {
        self.endpoint = endpoint
        self.context = context
        self.limits = limits
        self.drain = drain
        self.handler = handler
    }

    /// Makes the service of an endpoint string; nothing is opened or looked up.
    ///
    /// - Parameters:
    ///   - string: Where to listen, such as `tcp:8080`.
    ///   - registry: The kinds that the string may name; the library's own unless told.
    ///   - context: Loops, logger and resolver; the shared ones unless told.
    ///   - limits: What the clients may have; the usual unless told.
    ///   - drain: How long handlers may go on after a graceful shutdown has begun; 30 s unless
    ///     told. Zero aborts them at once.
    ///   - handler: Runs for each connection, isolated to it.
    /// - Throws: `EndpointStringError`.
    public convenience init(
        _ string: String,
        registry: EndpointRegistry = .standard,
        in context: EndpointContext = EndpointContext(),
        limits: ServeLimits = ServeLimits(),
        drain: Duration = .seconds(30),
        _ handler: @escaping @Sendable (isolated Connection) async throws -> Void
    ) throws {
        self.init(
            try serverFromString(string, in: registry),
            in: context,
            limits: limits,
            drain: drain,
            handler
        )
    }

    /// The endpoint's string.
    public var description: String { endpoint.redacted }

    /// Waits until the service listens: when clients can connect.
    ///
    /// For what must come after, such as telling systemd.
    ///
    /// Cancellation: stops waiting.
    ///
    /// - Returns: Where it listens; ports and paths are the real ones.
    /// - Throws: `CancellationError`; what kept the service from listening; ``EndpointError`` with
    ///   code `closed` if the service was shut down first.
    public func listening() async throws -> [SocketAddress] { try await start.wait() }

    /// Listens and serves, until the task is cancelled or a graceful shutdown has drained it.
    ///
    /// Cancellation: closes the listener, cancels the handlers, and throws when they have ended.
    ///
    /// - Throws: `CancellationError`, or the ``EndpointError`` of listening or of the listener.
    public func run() async throws {
        guard let listener = try await listen() else { return }
        // Leaving the scope cancels the child task, and waits for it.
        async let _: Void = drainOnShutdown(listener)
        try await listener.serve(limits: limits, handler)
    }

    /// Begins to listen; `nil` if a graceful shutdown came first.
    private func listen() async throws -> Listener? {
        do {
            let (endpoint, context) = (endpoint, context)
            let listener = try await cancelWhenGracefulShutdown {
                try await endpoint.listen(in: context)
            }
            context.logger.debug(
                "listening",
                metadata: [
                    "endpoint": "\(endpoint.redacted)",
                    "addresses": .array(listener.addresses.map { .string("\($0)") }),
                ]
            )
            start.finish(.success(listener.addresses))
            return listener
        } catch is CancellationError where !Task.isCancelled {
            let error = EndpointError(
                .closed,
                operation: "listen",
                endpoint: endpoint.redacted,
                reason: "the service was shut down"
            )
            start.finish(.failure(error))
            return nil
        } catch {
            start.finish(.failure(error))
            throw error
        }
    }

    private func drainOnShutdown(_ listener: Listener) async {
        guard await waitForGracefulShutdown() else { return }
        let drained = await listener.drain(within: drain)
        let metadata: Logger.Metadata = [
            "endpoint": "\(endpoint.redacted)", "finished": "\(drained.finished)",
            "aborted": "\(drained.aborted)",
        ]
        if drained.aborted == 0 {
            context.logger.debug("drained", metadata: metadata)
        } else {
            context.logger.warning("drained, and aborted what took too long", metadata: metadata)
        }
    }
}

/// Waits until a graceful shutdown of the task's service group begins; false if the task is
/// cancelled first.
func waitForGracefulShutdown() async -> Bool {
    let (signals, signal) = AsyncStream.makeStream(of: Void.self)
    return await withGracefulShutdownHandler {
        for await _ in signals { return true }
        return false
    } onGracefulShutdown: {
        signal.yield()
    }
}
