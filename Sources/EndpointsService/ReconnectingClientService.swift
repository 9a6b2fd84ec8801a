// A reconnecting client as a service. `run` of the client is nearly all of it; a graceful shutdown
// stops the client, and then `run` returns by itself.

import Endpoints
import ServiceLifecycle

/// Keeps a client connected for as long as its service group runs.
///
/// A service group shuts its services down in the reverse order of its list: a client that others
/// use comes first in it, and is stopped last.
public struct ReconnectingClientService<Instance: Sendable>: Service, CustomStringConvertible {
    /// The client that it runs.
    public let client: ReconnectingClient<Instance>
    private let timeout: Duration

    /// Makes the service of a client, which nobody else starts or stops.
    ///
    /// - Parameters:
    ///   - client: The client.
    ///   - timeout: How long the connection may take to close at a graceful shutdown; then it is
    ///     reset. 30 s unless told.
    public init(_ client: ReconnectingClient<Instance>, stop timeout: Duration = .seconds(30)) {
        self.client = client
        self.timeout = timeout
    }

    /// The endpoint's string.
    public var description: String { client.description }

    /// Runs the client, until the task is cancelled or a graceful shutdown has stopped it.
    ///
    /// Cancellation: closes the connection, within a second, then throws.
    ///
    /// - Throws: `CancellationError`.
    public func run() async throws {
        async let _: Void = stopOnShutdown()
        // Leaving the scope cancels the child task, and waits for it.
        try await client.run()
    }

    private func stopOnShutdown() async {
        guard await waitForGracefulShutdown() else { return }
        await client.stop(within: timeout)
    }
}
