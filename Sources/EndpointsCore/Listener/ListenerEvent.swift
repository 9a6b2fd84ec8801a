import EventLoop

/// What a listener tells of connections that are not ready yet, and of itself.
public enum ListenerEvent: Sendable {
    /// A connection from this peer is ready.
    case accepted(SocketAddress)
    /// A connection was lost before it was ready: its handshake or header failed.
    case failed(SocketAddress?, any Error)
    /// A served connection has ended, and so many bytes were lost with it; see ``Connection/bytesLost``.
    case lost(SocketAddress, bytes: Int)
    /// The system is short of something; accepting goes on by itself.
    case paused(EndpointError)
    /// Accepting goes on.
    case resumed
}

/// Those who watch a listener: nobody, in the usual case, and then nothing is made for them.
final class ListenerWatchers: Sendable {
    private struct State {
        var isFinished = false
        var nextID = 0
        var streams: [Int: AsyncStream<ListenerEvent>.Continuation] = [:]
    }
    private let state = Lock(State())

    func makeStream() -> AsyncStream<ListenerEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: ListenerEvent.self,
            bufferingPolicy: .bufferingNewest(1024)
        )
        let id = state.withLock { state -> Int? in
            if state.isFinished { return nil }
            state.nextID += 1
            state.streams[state.nextID] = continuation
            return state.nextID
        }
        guard let id else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            _ = self?.state.withLock { $0.streams.removeValue(forKey: id) }
        }
        return stream
    }

    func send(_ event: @autoclosure () -> ListenerEvent) {
        let streams = state.withLock { $0.streams }
        if streams.isEmpty { return }
        let event = event()
        for continuation in streams.values { continuation.yield(event) }
    }

    func finish() {
        let streams = state.withLock { state in
            state.isFinished = true
            defer { state.streams = [:] }
            return state.streams
        }
        for continuation in streams.values { continuation.finish() }
    }
}
