// What the world sees of the state machine: what is left of an old connection does not show while the
// client waits, and a restart shows as `stopping` until the old connection is gone.

/// What a ``ReconnectingClient`` is doing.
public enum ReconnectingClientState: Sendable {
    /// It was never started.
    case idle
    /// An attempt is under way, the first since the start or the last success, or a later one.
    case connecting(attempt: Int)
    /// There is an instance to use.
    case connected
    /// Until the next attempt; after an error, or `nil` if the connection just ended.
    case waiting(for: Duration, after: (any Error)?)
    /// It was told to stop, and its connection or attempt is not gone yet.
    case stopping
    /// It was stopped, and has nothing open.
    case stopped
}

extension ReconnectingClientState: CustomStringConvertible {
    /// One readable line.
    public var description: String {
        switch self {
        case .idle: "idle"
        case .connecting(let attempt): "connecting, attempt \(attempt)"
        case .connected: "connected"
        case .waiting(let delay, nil): "waiting for \(delay)"
        case .waiting(let delay, let error?): "waiting for \(delay) after \(error)"
        case .stopping: "stopping"
        case .stopped: "stopped"
        }
    }
}
