// A resolver is somebody else's code, asked for an answer. It may take no notice of cancellation, or
// never answer at all; a caller that was cancelled, ran out of time, or has connected by the other
// family must not wait for it. So each question is asked by a task of its own, and nobody waits for
// the task, only for the answer: whichever comes first, that or the cancellation.

import EventLoop

extension NameResolver {
    /// Looks a name up; the library asks every resolver in this way.
    ///
    /// Cancellation: returns at once, and drops an answer that comes later.
    package func answer(
        for host: String,
        port: UInt16,
        family: AddressFamily
    ) async throws -> [SocketAddress] {
        try Task.checkCancellation()
        let question = OpenQuestion()
        let task = Task {
            do {
                let found = try await addresses(of: host, port: port, family: family)
                question.finish(.success(found))
            } catch {
                question.finish(.failure(error))
            }
        }
        return try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { question.wait($0) }
        } onCancel: {
            task.cancel()
            question.finish(.failure(CancellationError()))
        }
    }
}

/// One question: its outcome is whatever comes first.
private final class OpenQuestion: Sendable {
    private typealias Outcome = Result<[SocketAddress], any Error>
    private enum State {
        case asked
        case awaited(UnsafeContinuation<[SocketAddress], any Error>)
        case answered(Result<[SocketAddress], any Error>)
        case over
    }
    private let state = Lock(State.asked)

    func wait(_ continuation: UnsafeContinuation<[SocketAddress], any Error>) {
        let outcome: Outcome? = state.withLock { state in
            if case .answered(let outcome) = state {
                state = .over
                return outcome
            }
            state = .awaited(continuation)
            return nil
        }
        if let outcome { continuation.resume(with: outcome) }
    }

    func finish(_ outcome: Result<[SocketAddress], any Error>) {
        let continuation: UnsafeContinuation<[SocketAddress], any Error>? = state.withLock {
            state in
            switch state {
            case .asked:
                state = .answered(outcome)
                return nil
            case .awaited(let continuation):
                state = .over
                return continuation
            case .answered, .over:
                return nil  // Late.
            }
        }
        continuation?.resume(with: outcome)
    }
}
