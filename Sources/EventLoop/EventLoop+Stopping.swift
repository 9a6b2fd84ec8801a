// The end of a loop, in rounds: whoever waits is woken, timers fire before their time, what is ready
// runs; until a round leaves nothing to do. A task that never rests, such as one that sleeps again and
// again, does not hold the end up: after a hundred rounds what is left is late.
//
// Late work is what comes to a loop that has ended: a task that was suspended elsewhere, a cancellation,
// the `deinit` of an actor. Nobody who brings it may run it, for he may be inside a cancellation, or hold
// a lock. It runs on threads of Dispatch, one at a time for each loop, so the loop's mutual exclusion
// holds: whoever finds the mailbox in state `.stopped` sets it to `.runningLate` and starts a round there;
// a round that leaves nothing to do sets it back. In late rounds, too, timers fire at once and nobody waits.

import CEndpoints
import Dispatch

extension EventLoop {
    static let mostStopRounds = 100

    /// Asks the loop to end: wakes whoever waits on it, runs what is ready, then ends the thread.
    func stop() {
        run { self.hot.pointee.isStopping = true }
    }

    /// Waits until the thread is gone; blocks, so not on a thread that others need.
    ///
    /// Any number may wait; a thread can be joined but once (pthread_join(3)).
    func join() {
        isJoined.withLock { isJoined in
            if !isJoined { pthread_join(thread, nil) }
            isJoined = true
        }
    }

    /// One round of ending; whether the loop has ended.
    func finish() -> Bool {
        doRound()
        state.pointee.roundsLeft -= 1
        let isAtRest = mailbox.withLock { box in
            let isAtRest = self.isAtRest(box)
            guard isAtRest || state.pointee.roundsLeft == 0 else { return Bool?.none }
            hasStopped = true
            box.state = isAtRest ? .stopped : .runningLate
            return isAtRest
        }
        guard let isAtRest else { return false }
        // The number of the driver's descriptor may soon be another's.
        while wakers.load(ordering: .acquiring) > 0 { sched_yield() }
        driver.close()
        // From here on the loop's thread touches nothing of the loop.
        if !isAtRest { runLate() }
        return true
    }

    /// Starts a round of late work.
    func runLate() {
        DispatchQueue.global().async { [self] in
            endpoints_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
            withoutBrokenPipes {
                hot.pointee.turnTime = driver.coarseNow()
                hasMail.store(true, ordering: .relaxed)
                takeMail()
                doRound()
            }
            endpoints_set_current_loop(nil)
            let isAtRest = mailbox.withLock { box in
                let isAtRest = self.isAtRest(box)
                if isAtRest { box.state = .stopped }
                return isAtRest
            }
            // Another thread's turn: others wait for Dispatch, too.
            if !isAtRest { runLate() }
        }
    }

    private func isAtRest(_ box: borrowing Mailbox) -> Bool {
        box.isEmpty && state.pointee.calls.isEmpty && state.pointee.jobs.isEmpty
            && state.pointee.timers.count == 0 && hot.pointee.parked.gate(from: 0) == nil
    }

    private func doRound() {
        var next = 0
        // One after the other: whoever is told may take another out of the table.
        while let (index, source) = state.pointee.table.source(from: next) {
            source.loopWillStop()
            next = index + 1
        }
        next = 0
        while let (index, gate) = hot.pointee.parked.gate(from: next) {
            gate.endWait()
            next = index + 1
        }
        // As many as there are now: an action may set the next.
        for _ in 0..<state.pointee.timers.count {
            if let action = state.pointee.timers.popDue(at: .max) { action() }
        }
        runJobs()
    }
}

/// Keeps SIGPIPE from a thread that is not the loops' own.
private func withoutBrokenPipes(_ body: () -> Void) {
    var pipe = sigset_t()
    sigemptyset(&pipe)
    sigaddset(&pipe, SIGPIPE)
    var before = sigset_t()
    pthread_sigmask(SIG_BLOCK, &pipe, &before)
    body()
    if sigismember(&before, SIGPIPE) == 0 {
        // What was raised meanwhile would be delivered as soon as it may be.
        var now = timespec()
        while sigtimedwait(&pipe, nil, &now) > 0 {}
    }
    pthread_sigmask(SIG_SETMASK, &before, nil)
}
