// Whether the tasks that a body has started have ended. The runtime has no list of tasks; but each task
// gets the task-local values of the one that starts it, `Task { }` too, and lets them go when it ends.
// So an object that is bound while the body runs lives until the last of its tasks has ended. What is
// `Task.detached` has no part in it.

import EventLoop

/// What all tasks that are started while it is bound keep alive.
final class TaskMark: Sendable {
    @TaskLocal static var current: TaskMark?
    /// Bound in its turn, an inner mark hides the outer, whose tasks its own are, too.
    private let outer: TaskMark?

    private init() { outer = Self.current }

    /// Runs `body` with a mark of its own.
    ///
    /// - Returns: What `body` returns, and whether its tasks have ended.
    nonisolated(nonsending) static func during<Result>(
        _ body: nonisolated(nonsending) () async throws -> Result
    ) async rethrows -> (result: Result, tasks: StartedTasks) {
        let mark = TaskMark()
        let tasks = StartedTasks(mark)
        return (try await $current.withValue(mark) { try await body() }, tasks)
    }
}

/// The tasks that a body has started.
final class StartedTasks: Sendable {
    private struct Mark {
        weak var mark: TaskMark?
    }
    private let state: Lock<Mark>

    fileprivate init(_ mark: TaskMark) { state = Lock(Mark(mark: mark)) }

    /// Whether one of them is still there after so long.
    func remain(after patience: Duration) async -> Bool {
        let start = ContinuousClock.now
        while state.withLock({ $0.mark != nil }) {
            if start.duration(to: .now) > patience { return true }
            let loop = EventLoopGroup.shared.next()
            await Task { try? await loop.sleep(for: .milliseconds(5)) }.value
        }
        return false
    }
}
