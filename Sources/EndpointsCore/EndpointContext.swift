import EventLoop
import Logging

/// What an endpoint works with: event loops, a logger, a resolver.
///
/// Each has a default.
public struct EndpointContext: Sendable {
    /// The loops that connections live on.
    public var loops: EventLoopGroup
    /// Where to log; what happens in normal operation is at most `info`.
    public var logger: Logger
    /// What turns host names into addresses; `nil` is the system.
    package var customResolver: (any NameResolver)?
    /// Receives what becomes of connections. Defaults to `nil`.
    public var observer: (any EndpointObserver)?

    /// What this one connect or listen carries along.
    package var request = EndpointRequest()

    /// Makes a context of the parts that differ from the usual ones.
    ///
    /// - Parameters:
    ///   - loops: Defaults to one loop for each core, shared by the process.
    ///   - logger: Defaults to a logger labelled `endpoints`.
    public init(
        loops: EventLoopGroup = .shared,
        logger: Logger = Logger(label: "endpoints")
    ) {
        self.loops = loops
        self.logger = logger
    }
}

/// What one connect or listen carries from an outer endpoint to the ones inside it.
package struct EndpointRequest: Sendable {
    /// What prepares an accepted connection, in order.
    package var stages: [ConnectionStage] = []
    /// The name of the outermost endpoint around the one that listens, for errors and the log.
    package var wrapper: String?
    /// What one module's endpoints tell others of the same module, by type.
    package var values = TypedValues()
}

extension EndpointContext {
    /// A context in which whatever listens is called `endpoint` in errors and in the log.
    ///
    /// For server endpoints that wrap another: who reads `listen haproxy:tcp:80: …` finds in the
    /// configuration what is meant. The outermost wrapper gives the name.
    ///
    /// - Parameter endpoint: The endpoint that wraps.
    /// - Returns: The context.
    public func naming(_ endpoint: any ServerEndpoint) -> EndpointContext {
        var context = self
        context.request.wrapper = request.wrapper ?? endpoint.redacted
        return context
    }

    /// Looks whether something can be begun at all.
    ///
    /// - Throws: `CancellationError`, or ``EndpointError`` with code `closed` if the loops have ended.
    package func checkBegin(_ operation: String, _ endpoint: String) throws {
        try Task.checkCancellation()
        guard loops.isShutDown else { return }
        throw EndpointError(
            .closed,
            operation: operation,
            endpoint: endpoint,
            reason: "the event loops have been shut down"
        )
    }

    /// What a server's endpoint is called in errors and in the log.
    package func name(of endpoint: any ServerEndpoint) -> String {
        request.wrapper ?? endpoint.redacted
    }
}
