// When a service has begun: once, with one outcome, for any number who wait.

import Endpoints
import EventLoop

final class ServiceStart: Sendable {
    private typealias Waiter = AsyncStream<Void>.Continuation
    private struct State {
        var outcome: Result<[SocketAddress], any Error>?
        var waiters: [Waiter] = []
    }
    private let state = Lock(State())

    /// Tells those who wait; the last outcome counts for those who ask later.
    func finish(_ outcome: Result<[SocketAddress], any Error>) {
        let waiters = state.withLock { state in
            state.outcome = outcome
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.finish() }
    }

    /// Waits for the outcome.
    ///
    /// - Throws: `CancellationError`, or what kept the service from beginning.
    func wait() async throws -> [SocketAddress] {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        let isOver = state.withLock { state in
            if state.outcome == nil { state.waiters.append(continuation) }
            return state.outcome != nil
        }
        if !isOver { for await _ in stream {} }
        guard let outcome = state.withLock({ $0.outcome }) else { throw CancellationError() }
        return try outcome.get()
    }
}
