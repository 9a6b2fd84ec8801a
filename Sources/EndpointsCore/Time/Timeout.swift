// A time limit for any work.
//
// Swift can cancel whole tasks only, so the body runs in a task of its own, which a timer of the loop
// cancels. Yet to its caller the body must be like a closure that is called: it does not escape, is
// not Sendable, may change the caller's variables, and runs where the caller runs. That is sound here
// although the compiler cannot see it: the caller is suspended until the body's task has ended, and
// the task is isolated to the caller's actor, or runs where the caller's task prefers to run.
//
// First to cancel wins: a cancellation from outside stays a `CancellationError`, and a body that
// succeeds although the time ran out is still a success.

import EventLoop
import Synchronization

/// A time limit passed before the work was done.
public struct TimeoutError: Error, CustomStringConvertible {
    /// How long the work was given.
    public let duration: Duration
    /// What the work threw when it was cancelled.
    public let underlying: any Error

    /// One readable line.
    public var description: String { "timed out after \(duration.inSeconds)" }
}

/// Runs `body`, and cancels it when `timeout` is over.
///
/// The body runs where the caller runs, and may change the caller's variables. A timeout of zero or
/// less cancels it at once. What it returns is returned, however late.
///
/// Cancellation: cancels the body, and rethrows what it throws.
///
/// - Throws: ``TimeoutError`` if the time ran out and the body threw; else what the body throws.
public nonisolated(nonsending) func withTimeout<Result>(
    _ timeout: Duration,
    _ body: nonisolated(nonsending) () async throws -> Result
) async throws -> Result {
    // A constant of this type: the compiler takes nothing else here.
    let run:
        nonisolated(nonsending) (
            nonisolated(nonsending) @escaping () async throws -> Result
        ) async throws -> Result = { body in
            try await TimedWork(body, timeout).run(isolation: #isolation)
        }
    return try await withoutActuallyEscaping(body, do: run)
}

/// A body, its time limit, and what became of them.
// Unchecked: the body's task and its caller, who waits for it, take turns; what both may touch at once
// is atomic or behind a lock.
private final class TimedWork<Success>: @unchecked Sendable {
    /// Given up when it has run: a closure that does not escape must not be held when its caller goes
    /// on, and the task and the timer may hold this object a little longer.
    private var body: (nonisolated(nonsending) () async throws -> Success)?
    private let timeout: Duration
    private let timer = LimitTimer(on: EventLoop.current ?? EventLoopGroup.shared.next())
    private let hasExpired = Atomic<Bool>(false)
    private let outcome = Lock<Result<Success, any Error>?>(nil)

    init(
        _ body: nonisolated(nonsending) @escaping () async throws -> Success,
        _ timeout: Duration
    ) {
        self.body = body
        self.timeout = timeout
    }

    func run(isolation: isolated (any Actor)?) async throws -> Success {
        // The body begins here and now, before the handler below could tell it.
        let isCancelled = Task.isCancelled
        let task = Task.immediate(executorPreference: EventLoop.current) {
            await self.perform(isolation: isolation, isCancelled: isCancelled)
        }
        let isTimed = timeout > .zero && !isCancelled && !hasOutcome
        if isTimed {
            timer.start(after: timeout.nanosecondsClamped) {
                // Whoever cancelled first gave the reason.
                self.hasExpired.store(!task.isCancelled, ordering: .releasing)
                task.cancel()
            }
        }
        await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
        if isTimed { timer.stop() }
        switch outcome.withLock({ $0 }) {
        case .success(let value): return value
        case .failure(let error) where hasExpired.load(ordering: .acquiring):
            throw TimeoutError(duration: timeout, underlying: error)
        case .failure(let error): throw error
        case nil: throw CancellationError()
        }
    }

    private var hasOutcome: Bool { outcome.withLock { $0 != nil } }

    private func perform(isolation: isolated (any Actor)?, isCancelled: Bool) async {
        if isCancelled || timeout <= .zero {
            hasExpired.store(!isCancelled, ordering: .releasing)
            withUnsafeCurrentTask { $0?.cancel() }
        }
        guard let body else { return }
        self.body = nil
        let result: Result<Success, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        outcome.withLock { $0 = result }
    }
}

/// A timer that fires once: on its loop, or on another if that one ends first.
// Unchecked: touched on its loop's thread only.
private final class LimitTimer: @unchecked Sendable {
    private let loop: EventLoop
    private var timer: LoopTimer?
    private var successor: LimitTimer?

    init(on loop: EventLoop) { self.loop = loop }

    func start(after nanoseconds: UInt64, _ action: @escaping @Sendable () -> Void) {
        let deadline = loop.now &+ nanoseconds
        loop.run { [self] in
            timer = loop.schedule(at: deadline) { [self] in
                timer = nil
                let now = loop.now
                if now >= deadline { return action() }
                // The loop ends, so its timers fire before their time. The shared loops never end.
                successor = LimitTimer(on: EventLoopGroup.shared.next())
                successor?.start(after: deadline - now, action)
            }
        }
    }

    func stop() {
        loop.run { [self] in
            if let timer { loop.cancel(timer) }
            timer = nil
            successor?.stop()
            successor = nil
        }
    }
}
