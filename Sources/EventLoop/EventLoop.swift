import CEndpoints
/// A loop.
public final class EventLoop: Sendable {
    /// The loop whose thread this is.
    public static var current: EventLoop? { nil }
    /// Waits, on the loop's timers.
    public func sleep(for duration: Duration) async throws {}
    /// Registers the descriptor, waits for its next event and forgets it again; answers the event mask.
    package func nextEvent(of descriptor: Int32) async throws -> UInt32 { 0 }
}
/// A group.
public final class EventLoopGroup: Sendable {
    /// One loop a core.
    public static let shared = EventLoopGroup()
    /// The next in turn.
    public func next() -> EventLoop { EventLoop() }
}
