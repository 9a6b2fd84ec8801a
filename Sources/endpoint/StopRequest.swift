// The one way in which a command is asked to end before its work does.

import Endpoints

/// Asked for once, by a signal or by an output that nobody reads; any number of tasks may wait.
final class StopRequest: Sendable {
    enum Reason: Sendable {
        /// SIGINT or SIGTERM: end in order, and that is a success.
        case signal
        /// Standard output was closed by its reader.
        case outputClosed

        var status: ExitStatus {
            switch self {
            case .signal: .done
            case .outputClosed: .failed
            }
        }
    }

    private struct State {
        var reason: Reason?
        var waiters: [AsyncStream<Reason>.Continuation] = []
    }
    private let state = Lock(State())

    /// A request that the next signal makes.
    static func onSignal() -> StopRequest {
        let request = StopRequest()
        Signals.handleFirst { _ in request.make(.signal) }
        return request
    }

    var reason: Reason? { state.withLock { $0.reason } }

    /// Asks; only the first time counts.
    func make(_ reason: Reason) {
        let waiters = state.withLock { state in
            if state.reason == nil { state.reason = reason }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters {
            waiter.yield(reason)
            waiter.finish()
        }
    }

    /// Waits until somebody asks; `nil` when the task is cancelled.
    func wait() async -> Reason? {
        let (stream, continuation) = AsyncStream.makeStream(of: Reason.self)
        let reason = state.withLock { state in
            if state.reason == nil { state.waiters.append(continuation) }
            return state.reason
        }
        if let reason { return reason }
        for await reason in stream { return reason }
        return nil
    }

    /// Runs `body`, and cancels it when somebody asks.
    ///
    /// - Throws: What the body throws; the reason's ``ExitStatus`` if it was cancelled so.
    func cancelling<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let work = Task { try await body() }
        let watch = Task { if await self.wait() != nil { work.cancel() } }
        defer { watch.cancel() }
        do { return try await work.value } catch let error as CancellationError {
            throw reason?.status ?? error as any Error
        }
    }
}
