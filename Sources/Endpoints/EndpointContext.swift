import EventLoop
import Logging

/// What an endpoint works with: event loops, a logger, a resolver.
///
/// Each may be left out.
public struct EndpointContext: Sendable {
    /// The loops that connections live on.
    public var loops: EventLoopGroup
    /// Where to log; what happens in normal operation is at most `info`.
    public var logger: Logger
    /// Turns host names into addresses.
    public var resolver: any NameResolver
    /// Is told what becomes of connections; nobody unless set.
    public var observer: (any EndpointObserver)?

    /// What prepares an accepted connection, in order.
    var stages: [ConnectionStage] = []
    /// The outermost of the endpoints that wrap the one which listens, as errors and the log have it.
    private var wrapper: String?
    /// Sockets to use in place of new ones.
    var inherited: InheritedSockets?
    /// For whom is connected, if not for this process itself.
    var relayed: RelayedAddresses?
    /// Where to write down what happens on the way to a connection.
    var trace: ConnectTrace?

    /// Makes a context of the parts that differ from the usual ones.
    ///
    /// - Parameters:
    ///   - loops: One loop a core, shared by the process, unless told.
    ///   - logger: A logger labelled `endpoints` unless told.
    ///   - resolver: The system's resolver unless told.
    public init(
        loops: EventLoopGroup = .shared,
        logger: Logger = Logger(label: "endpoints"),
        resolver: any NameResolver = SystemNameResolver.shared
    ) {
        self.loops = loops
        self.logger = logger
        self.resolver = resolver
    }
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
        context.wrapper = wrapper ?? endpoint.redacted
        return context
    }

    /// Looks whether something can be begun at all.
    ///
    /// - Throws: `CancellationError`, or ``EndpointError`` with code `closed` if the loops have ended.
    func checkBegin(_ operation: String, _ endpoint: String) throws {
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
    func name(of endpoint: any ServerEndpoint) -> String { wrapper ?? endpoint.redacted }
}
