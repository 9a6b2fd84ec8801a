// Cancelling at every suspension. A body is run again and again; run n is cancelled at its n-th
// suspension, in two ways that find different faults:
//  - at once: as soon as the task has left its executor, while whatever it called is under way;
//  - at rest: when nothing has moved for a moment, so that the task really waits somewhere.
// The first finds what is lost between a check and a wait, the second what waits for ever.
//
// A body may wait for what never comes (a read from a silent peer). A run in which nothing moves for
// long is therefore cancelled too, and is the last of its kind: there are no later suspensions.

import Endpoints
import EventLoop

/// A body did not take a cancellation as it should.
public struct CancellationCheckError: Error, CustomStringConvertible {
    /// At which suspension it was cancelled, from 1; 0 is before it began.
    public let suspension: Int
    /// What went wrong.
    public let reason: String

    /// One readable line.
    public var description: String { "cancelled at suspension \(suspension): \(reason)" }
}

/// Runs `body` again and again, cancelled before it begins, then at its 1st, 2nd, … last suspension.
///
/// Each time it must return promptly, either with success or with `CancellationError`, and leave no
/// descriptor open and no task behind. The body must do the same in each run, on its own: it is run some hundred times
/// if it suspends some fifty times. Suspensions inside an actor that has its own executor, such as a
/// connection, are cancelled too, where the body waits for long.
///
/// Descriptors are the whole process's: what other tests open meanwhile, and keep open for longer
/// than `promptness`, is taken for a leak. Give such tests a process or a `.serialized` suite of their
/// own, or pass `false`.
///
/// Both times are longer by ``TestPatience``.
///
/// Cancellation: cancels the run, and throws.
///
/// - Parameters:
///   - promptness: How long the body may take to return when it is cancelled, descriptors to be
///     closed, and tasks that it has started to end; 5 s unless told.
///   - patience: How long nothing moves until the body is taken to wait for ever; 100 ms unless told.
///   - checksDescriptors: Whether descriptors are counted.
///   - limit: At how many suspensions it is cancelled at most; 1,000 unless told.
///   - body: What to run.
/// - Returns: How many suspensions the longest run had.
/// - Throws: ``CancellationCheckError``; what the body throws when it is not cancelled;
///   `CancellationError`.
@discardableResult
public func checkCancellation(
    promptness: Duration = .seconds(5),
    patience: Duration = .milliseconds(100),
    checksDescriptors: Bool = true,
    limit: Int = 1_000,
    _ body: @escaping @Sendable () async throws -> Void
) async throws -> Int {
    let check = CancellationCheck(
        promptness: TestPatience.limit(promptness),
        patience: TestPatience.limit(patience),
        checksDescriptors: checksDescriptors,
        body: body
    )
    var most = 0
    var suspension = 0
    while suspension <= limit {
        let run = try await check.run(cancelledAt: suspension, .atOnce)
        most = max(most, run.suspensions)
        if run.isLast { break }
        suspension += 1
    }
    suspension = 1
    while suspension <= limit {
        let run = try await check.run(cancelledAt: suspension, .atRest)
        most = max(most, run.suspensions)
        if run.isLast { break }
        suspension = max(run.suspensions, suspension) + 1
    }
    return most
}

private struct CancellationCheck: Sendable {
    enum Moment { case atOnce, atRest }
    /// For so long nothing moves when a task is taken to be at rest.
    static let rest = Duration.milliseconds(3)

    let promptness: Duration
    let patience: Duration
    let checksDescriptors: Bool
    let body: @Sendable () async throws -> Void

    /// One run.
    ///
    /// - Returns: How many suspensions came before the cancellation, and whether the body had no
    ///   more of them.
    func run(cancelledAt suspension: Int, _ moment: Moment) async throws -> (
        suspensions: Int, isLast: Bool
    ) {
        try Task.checkCancellation()
        let before = DescriptorCensus()
        let executor = StepExecutor()
        let ending = BodyEnding()
        let task = Task(executorPreference: executor) {
            let (result, tasks) = await TaskMark.during { () async -> Result<Void, any Error> in
                do { return .success(try await body()) } catch { return .failure(error) }
            }
            ending.finish(result, wasCancelled: Task.isCancelled, tasks)
        }
        if moment == .atOnce { executor.after(suspension) { task.cancel() } }
        executor.start()
        let reached = await follow(executor, ending, cancelledAt: suspension, moment)
        task.cancel()
        try await awaitEnd(of: ending, suspension)
        try check(ending, suspension)
        try await checkLeaks(before, ending, suspension)
        try Task.checkCancellation()
        return (reached.count, reached.hasEnded || reached.isStuck)
    }

    /// Follows a run until it has ended or is to be cancelled.
    private func follow(
        _ executor: StepExecutor,
        _ ending: BodyEnding,
        cancelledAt suspension: Int,
        _ moment: Moment
    ) async -> (count: Int, hasEnded: Bool, isStuck: Bool) {
        while true {
            let progress = executor.progress
            let isThere = progress.count >= suspension
            // In a run cancelled at once the end may be the cancellation's own work.
            if moment == .atOnce && isThere { return (progress.count, false, false) }
            if ending.hasEnded { return (progress.count, true, false) }
            let isAtRest = progress.quiet > Self.rest
            if moment == .atRest && isThere && isAtRest { return (progress.count, false, false) }
            if progress.quiet > patience || Task.isCancelled {
                return (progress.count, false, true)
            }
            await ending.wait(atMost: .milliseconds(1))
        }
    }

    private func awaitEnd(of ending: BodyEnding, _ suspension: Int) async throws {
        let start = ContinuousClock.now
        while !ending.hasEnded {
            if start.duration(to: .now) > promptness {
                throw CancellationCheckError(
                    suspension: suspension,
                    reason: "not returned after \(promptness)"
                )
            }
            await ending.wait(atMost: .milliseconds(20))
        }
    }

    private func check(_ ending: BodyEnding, _ suspension: Int) throws {
        guard let end = ending.end else { return }
        do { try end.result.get() } catch let error where !(error is CancellationError) {
            if !end.wasCancelled { throw error }
            throw CancellationCheckError(
                suspension: suspension,
                reason: "threw instead of CancellationError: \(error)"
            )
        } catch {}
    }

    private func checkLeaks(
        _ before: DescriptorCensus,
        _ ending: BodyEnding,
        _ suspension: Int
    ) async throws {
        if let tasks = ending.end?.tasks, await tasks.remain(after: promptness) {
            throw CancellationCheckError(
                suspension: suspension,
                reason: "left behind: a task that has not ended"
            )
        }
        guard checksDescriptors else { return }
        let leaked = await before.leaks(after: promptness)
        guard !leaked.isEmpty else { return }
        throw CancellationCheckError(
            suspension: suspension,
            reason: "left open: \(leaked.joined(separator: ", "))"
        )
    }
}

/// How a body ended, if it has.
private final class BodyEnding: Sendable {
    struct End: Sendable {
        let result: Result<Void, any Error>
        let wasCancelled: Bool
        let tasks: StartedTasks
    }
    private let state = Lock<End?>(nil)
    private let loop = EventLoopGroup.shared.next()

    /// The outcome, whether the task was cancelled by then, and what it has started.
    var end: End? { state.withLock { $0 } }
    var hasEnded: Bool { end != nil }

    func finish(_ result: Result<Void, any Error>, wasCancelled: Bool, _ tasks: StartedTasks) {
        state.withLock { $0 = End(result: result, wasCancelled: wasCancelled, tasks: tasks) }
    }

    /// Waits, whether the task is cancelled or not.
    func wait(atMost duration: Duration) async {
        if hasEnded { return }
        let loop = loop
        await Task { try? await loop.sleep(for: duration) }.value
    }
}
