import EndpointStrings
import EndpointsCore
import EventLoop
import Logging

extension EndpointContext {
    /// What turns host names into addresses; defaults to the system's resolver.
    public var resolver: any NameResolver {
        get { customResolver ?? SystemNameResolver.shared }
        set { customResolver = newValue }
    }

    /// Makes a context with a resolver of your own.
    ///
    /// - Parameters:
    ///   - loops: Defaults to the caller's own loop, or one of those that the process shares.
    ///   - logger: Defaults to a logger labelled `endpoints`.
    ///   - resolver: Turns host names into addresses.
    public init(
        loops: EventLoopGroup? = nil,
        logger: Logger = Logger(label: "endpoints"),
        resolver: any NameResolver
    ) {
        self.init(loops: loops, logger: logger)
        self.resolver = resolver
    }
}
