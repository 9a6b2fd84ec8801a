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
    /// Sockets to use in place of new ones.
    var inherited: InheritedSockets?
    /// For whom is connected, if not for this process itself.
    var relayed: RelayedAddresses?

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
