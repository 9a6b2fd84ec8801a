import EventLoop
import Logging

/// What an endpoint works with: event loops, a logger, a resolver.
///
/// Each has a default.
public struct EndpointContext: Sendable {
    /// The loops that connections and listeners live on, and no others once a group has been given.
    ///
    /// Defaults to one loop for each core, shared by the process. A caller that runs on one of these
    /// loops, such as a connection's handler, gets what it makes on its own loop; other callers get one
    /// loop after the other. Where no group has been given, a caller on a loop of any group stays on it.
    public var loops: EventLoopGroup {
        get { givenLoops ?? .shared }
        set { givenLoops = newValue }
    }
    private var givenLoops: EventLoopGroup?
    /// Where to log; what happens in normal operation is at most `info`.
    public var logger: Logger
    /// What turns host names into addresses; `nil` is the system.
    package var customResolver: (any NameResolver)?
    /// Receives what becomes of connections; defaults to `nil`.
    public var observer: (any EndpointObserver)?

    /// What this one connect or listen carries along.
    package var request = EndpointRequest()

    /// Makes a context of the parts that differ from the usual ones.
    ///
    /// - Parameters:
    ///   - loops: Defaults to the caller's own loop, or one of those that the process shares.
    ///   - logger: Defaults to a logger labelled `endpoints`.
    public init(
        loops: EventLoopGroup? = nil,
        logger: Logger = Logger(label: "endpoints")
    ) {
        givenLoops = loops
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

    /// The loop for something new: the caller's if ``loops`` allows it, else the next of them.
    ///
    /// The caller's own saves a hop with each message. A loop of a group other than the given one would
    /// end with that group, whose owner knows nothing of what was made here.
    package func nextLoop() -> EventLoop {
        guard let current = EventLoop.current else { return loops.next() }
        guard let givenLoops else { return current }
        return givenLoops.loops.contains { $0 === current } ? current : givenLoops.next()
    }

    /// Looks whether something can be begun at all.
    ///
    /// - Throws: `CancellationError`, or ``EndpointError`` with code `closed` if the loops have ended.
    package func checkBegin(_ operation: String, _ endpoint: String) throws {
        try Task.checkCancellation()
        if loops.isShutDown { throw EndpointError.loopsEnded(operation, endpoint) }
    }

    /// What a server's endpoint is called in errors and in the log.
    package func name(of endpoint: any ServerEndpoint) -> String {
        request.wrapper ?? endpoint.redacted
    }
}

extension EndpointError {
    /// What a call throws that waits on a loop when the loop ends.
    package static func loopsEnded(_ operation: String, _ endpoint: String) -> EndpointError {
        EndpointError(
            .closed,
            operation: operation,
            endpoint: endpoint,
            reason: "the event loops have been shut down"
        )
    }
}

extension EventLoop {
    /// Waits between two attempts to connect.
    ///
    /// - Throws: `CancellationError` if the task was cancelled, ``EndpointError`` with code `closed` if
    ///   the loop has ended.
    package func sleep(for delay: Duration, connecting endpoint: String) async throws {
        do { try await sleep(for: delay) } catch {
            throw Task.isCancelled ? error : EndpointError.loopsEnded("connect", endpoint)
        }
    }
}
