// Suspension without a continuation.
//
// A gate is an actor that is its own executor: the hop into it *is* the suspension, for its
// `enqueue` merely keeps the job until the loop lets it go. Against a continuation this saves the
// continuation's set-up and, above all, the resumption on the generic executor, by way of which a
// task without executor preference would visit the global pool first.
//
// Rules, each paid for:
//  - Close the gate in the same breath as the check that makes waiting necessary. An event opens
//    it; `enqueue` on an open gate passes the job on. So no wake-up between check and hop is lost.
//  - All of it happens on the loop's thread; the gate's mutual exclusion is the loop's.
//  - The kept job runs as the loop's own (`EventLoop.runNow`), so the way back to an actor of the
//    loop is no hop.
//  - An isolated method of a gate must touch its state: the optimizer drops a hop to an actor whose
//    code does nothing.
//  - A gate keeps one task. Where a task can be queued anew between check and hop, as a late reader can
//    be, two may come to one gate (`close`, which drains what comes, is the other); the one that waits
//    is then sent on, to look again.
//  - Waking says nothing about why. The waiter looks again, and at `Task.isCancelled`.
//
// A hop through an *open* gate puts the job at the end of the loop's queue: that is how a task lets
// others run (`Task.yield` would go by way of the global pool).

/// A place on a loop where one task waits until it is woken.
@usableFromInline
package actor Gate: SerialExecutor {
    private nonisolated let loop: EventLoop
    // Safe: touched on the loop's thread only, as all of a gate is.
    nonisolated(unsafe) private var job: UnownedJob?
    // Safe: as `job`.
    nonisolated(unsafe) private var isClosed = false
    // Safe: as `job`. Private, as all that the hot path touches: what other modules see, the compiler
    // checks for exclusive access at each use.
    nonisolated(unsafe) private var waiting = SuspendedCall.none
    private var passed = 0

    package init(_ loop: EventLoop) { self.loop = loop }

    @usableFromInline package nonisolated var unownedExecutor: UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    @usableFromInline
    package nonisolated func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if !isClosed { return loop.append(job) }
        if let earlier = self.job { loop.append(earlier) }
        self.job = job
    }

    /// What the task waits for; `none` when the gate is open.
    package nonisolated var call: SuspendedCall { waiting }

    /// Waits until the gate is open.
    package func pass() { passed &+= 1 }

    /// Makes the next task wait, for `operation`.
    package nonisolated func close(for operation: SuspendedCall.Operation) {
        isClosed = true
        waiting = SuspendedCall(operation: operation, since: loop.hot.pointee.turnTime)
    }

    /// Opens the gate, and answers the job of the task that waited, for the caller to run or queue.
    package nonisolated func open() -> UnownedJob? {
        isClosed = false
        waiting = .none
        let kept = job
        job = nil
        return kept
    }
}
