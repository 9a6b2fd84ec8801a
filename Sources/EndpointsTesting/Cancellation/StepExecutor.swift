// Where a body runs whose suspensions are counted: a task executor of one thread. Whenever the body's
// task, or a child of it, can go on, the runtime hands the executor a job; when the job returns, the
// task has suspended or moved to an actor with an executor of its own, such as a connection. So the
// end of the n-th job is the n-th suspension, and it is the same in each run of a body that does the
// same.

import Dispatch
import EventLoop
import Synchronization

/// Runs jobs one after the other, and counts them.
// Unchecked: the queue is thread-safe, the rest is behind a lock.
final class StepExecutor: TaskExecutor, @unchecked Sendable {
    private struct State {
        var count = 0
        var lastStep = ContinuousClock.now
        var trigger: (count: Int, action: @Sendable () -> Void)?
    }
    private let state = Lock(State())
    private let queue = DispatchQueue(label: "endpoints.steps")

    /// Starts out suspended, so that a task can be made before its first job runs.
    init() { queue.suspend() }

    /// Lets jobs run; once.
    func start() { queue.resume() }

    /// How many jobs have run, and how long ago the last ended.
    var progress: (count: Int, quiet: Duration) {
        state.withLock { ($0.count, $0.lastStep.duration(to: .now)) }
    }

    /// Calls `action` when `count` jobs have run; at the latest now, if they have already.
    func after(_ count: Int, _ action: @escaping @Sendable () -> Void) {
        let isOver = state.withLock { state in
            if state.count < count { state.trigger = (count, action) }
            return state.count >= count
        }
        if isOver { action() }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async {
            job.runSynchronously(on: self.asUnownedTaskExecutor())
            self.noteStep()
        }
    }

    private func noteStep() {
        let action = state.withLock { state -> (@Sendable () -> Void)? in
            state.count += 1
            state.lastStep = .now
            guard let trigger = state.trigger, trigger.count <= state.count else { return nil }
            state.trigger = nil
            return trigger.action
        }
        action?()
    }
}
