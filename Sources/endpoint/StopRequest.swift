// The one way in which a command is asked to end before its work does.

import Endpoints

/// Asked for once, by a signal; any number of tasks may wait.
final class StopRequest: Sendable {
    private struct State {
        var isMade = false
        var waiters: [AsyncStream<Void>.Continuation] = []
    }
    private let state = Lock(State())

    /// A request that the next SIGINT or SIGTERM makes.
    static func onSignal() -> StopRequest {
        let request = StopRequest()
        Signals.handleFirst { _ in request.make() }
        return request
    }

    var isMade: Bool { state.withLock { $0.isMade } }

    private func make() {
        let waiters = state.withLock { state in
            state.isMade = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.finish() }
    }

    /// Waits until somebody asks; answers whether somebody did, and not the task's cancellation.
    func wait() async -> Bool {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        let isMade = state.withLock { state in
            if !state.isMade { state.waiters.append(continuation) }
            return state.isMade
        }
        if isMade { return true }
        for await _ in stream {}
        return self.isMade
    }

    /// Runs `body`, and cancels it when somebody asks.
    ///
    /// - Throws: What the body throws; ``ExitStatus/done`` if it was cancelled so.
    func cancelling<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let work = Task { try await body() }
        let watch = Task { if await self.wait() { work.cancel() } }
        defer { watch.cancel() }
        do { return try await work.value } catch let error as CancellationError {
            throw isMade ? ExitStatus.done : error as any Error
        }
    }
}
