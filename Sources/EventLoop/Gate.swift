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
//  - On a loop that ends nobody waits: a gate that is to be closed there, or keeps a job, tells its owner
//    instead (`loopWillStop`), and stays open. So a wait fails whatever it is for, and the owner's state
//    must say so, for the waiter looks again.
//
// A hop through an *open* gate puts the job at the end of the loop's queue: that is how a task lets
// others run (`Task.yield` would go by way of the global pool).

/// A place on a loop where one task waits until it is woken.
@usableFromInline
package actor Gate: SerialExecutor {
    private nonisolated let loop: EventLoop
    // Safe: set once, by whoever makes the gate; a task that waits at the gate keeps the owner alive.
    nonisolated(unsafe) private unowned(unsafe) var owner: (any LoopMember)?
    // Safe: touched on the loop's thread only, as all of a gate is.
    nonisolated(unsafe) private var job: UnownedJob?
    // Safe: as `job`.
    nonisolated(unsafe) private var isClosed = false
    // Safe: as `job`. Private, as all that the hot path touches: what other modules see, the compiler
    // checks for exclusive access at each use.
    nonisolated(unsafe) private var waiting = SuspendedCall.none
    // Safe: as `job`.
    nonisolated(unsafe) private var slot = 0
    private var passed = 0

    /// Makes an open gate.
    ///
    /// - Parameters:
    ///   - loop: Where tasks wait.
    ///   - owner: Who is told when the loop ends, and outlives every wait here; `nil` if nobody needs to be,
    ///     or before ``belong(to:)``.
    package init(_ loop: EventLoop, of owner: (any LoopMember)?) {
        self.loop = loop
        self.owner = owner
    }

    /// Sets who is told when the loop ends: for an owner that makes its gate before it is whole.
    package nonisolated func belong(to owner: any LoopMember) { self.owner = owner }

    @usableFromInline package nonisolated var unownedExecutor: UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    @usableFromInline
    package nonisolated func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if !isClosed { return loop.append(job) }
        if let earlier = self.job {
            loop.append(earlier)
        } else {
            slot = loop.hot.pointee.parked.insert(self)
        }
        self.job = job
    }

    /// What the task waits for; `none` when the gate is open.
    package nonisolated var call: SuspendedCall { waiting }

    /// Waits until the gate is open.
    package func pass() { passed &+= 1 }

    /// Makes the next task wait, for `operation`.
    package nonisolated func close(for operation: SuspendedCall.Operation) {
        if loop.hot.pointee.isStopping { return endWait() }
        isClosed = true
        waiting = SuspendedCall(operation: operation, since: loop.hot.pointee.turnTime)
    }

    /// Opens the gate, and answers the job of the task that waited, for the caller to run or queue.
    package nonisolated func open() -> UnownedJob? {
        isClosed = false
        waiting = .none
        guard let kept = job else { return nil }
        job = nil
        loop.hot.pointee.parked.remove(slot)
        return kept
    }

    /// The loop ends: tells the owner, and sends on whoever waits.
    nonisolated func endWait() {
        owner?.loopWillStop()
        if let job = open() { loop.append(job) }
    }
}
