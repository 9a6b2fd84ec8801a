import EventLoop
import Logging

/// What an endpoint works with: event loops, a logger, a resolver. Each may be left out.
public struct EndpointContext: Sendable {
    /// The loops that connections live on.
    public var loops: EventLoopGroup
    /// Where to log; what happens in normal operation is at most `info`.
    public var logger: Logger
    /// Turns host names into addresses.
    public var resolver: any NameResolver

    /// Makes a context of the parts that differ from the usual ones.
    ///
    /// - Parameter loops: One loop a core, shared by the process, unless told.
    /// - Parameter logger: A logger labelled `endpoints` unless told.
    /// - Parameter resolver: The system's resolver unless told.
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
