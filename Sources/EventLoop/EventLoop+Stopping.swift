// The end of a loop, in rounds: whoever waits is woken, timers fire before their time, what is ready
// runs; until a round finds nothing more to do. Under the mailbox's lock the loop then says that it has
// stopped, so that what is posted later runs on whoever posts it (Mailbox.swift) and nothing is lost.

import CEndpoints

extension EventLoop {
    /// Asks the loop to end: wakes whoever waits on it, runs what is ready, then ends the thread.
    func stop() {
        run { self.state.pointee.isStopping = true }
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

    /// One round of ending; answers whether the loop is at rest.
    func finish() -> Bool {
        for source in state.pointee.table.sources { source.loopWillStop() }
        for action in state.pointee.timers.popAll() { action() }
        while runJobs() {}
        let isAtRest = mailbox.withLock { box in
            guard box.isEmpty && state.pointee.jobs.isEmpty else { return false }
            hasStopped = true
            box.state = .stopped
            return true
        }
        guard isAtRest else { return false }
        driver.close()
        return true
    }
}
