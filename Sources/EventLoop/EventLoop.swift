import CEndpoints
/// A loop.
public final class EventLoop: Sendable {}
/// A group.
public final class EventLoopGroup: Sendable {
    /// One loop a core.
    public static let shared = EventLoopGroup()
}
