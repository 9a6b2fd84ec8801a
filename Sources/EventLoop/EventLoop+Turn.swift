// What a loop's thread does all day: one turn after the other.
//
// A turn: take the mail, run the ready jobs, wait or look for events, tell their sources, fire the
// timers. Each of the four kinds of work has a slice of about a millisecond (WorkBudget.swift); what does
// not fit waits for the next turn, behind the other kinds. So none of them starves another, and a timer
// or a call from another thread comes a few milliseconds late at most, whatever the load. A source may
// run the job that it kept (Gate.swift) right away, while its connection is in the cache.
//
// Calls of one thread run in the order in which it made them, and before the jobs that it queued later:
// so the jobs of a batch of mail wait until its calls have run, and the next batch until both are taken.

import CEndpoints

extension EventLoop {
    /// For clocks that stand still.
    private static let jobsPerTurn = 1024
    private static let stallLimit: UInt64 = 100_000_000

    fileprivate func run() {
        // Signals are for the program's own threads.
        endpoints_block_signals()
        endpoints_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        let buffer = UnsafeMutableBufferPointer<LoopEvent>.allocate(capacity: 256)
        defer { buffer.deallocate() }
        var events = buffer[..<0]
        hot.pointee.turnTime = driver.coarseNow()
        repeat {
            takeMail()
            driver.arrange(&state.pointee.jobs)
            runJobs()
            noticeStall()
            if events.isEmpty { events = buffer[..<waitForEvents(into: buffer)] }
            hot.pointee.turnTime = driver.coarseNow()
            tellSources(of: &events)
            if state.pointee.timers.earliest != nil { fireTimers() }
        } while !(isStopping && finish())
        endpoints_set_current_loop(nil)
    }

    /// Takes what other threads have brought: runs calls, and queues jobs.
    func takeMail() {
        if state.pointee.calls.isEmpty {
            guard hasMail.load(ordering: .acquiring) else { return }
            mailbox.withLock { box in
                hasMail.store(false, ordering: .relaxed)
                swap(&state.pointee.calls, &box.calls)
                swap(&state.pointee.jobsAfterCalls, &box.jobs)
            }
            state.pointee.calls.reverse()
        }
        hot.pointee.slice.begin()
        while let call = state.pointee.calls.popLast() {
            hot.pointee.budget.refill()
            call()
            if isSliceOver() { break }
        }
        guard state.pointee.calls.isEmpty else { return }
        for job in state.pointee.jobsAfterCalls { state.pointee.jobs.append(job) }
        state.pointee.jobsAfterCalls.removeAll(keepingCapacity: true)
    }

    /// Runs jobs until the slice is over.
    func runJobs() {
        hot.pointee.slice.begin()
        var left = Self.jobsPerTurn
        while left > 0, let job = state.pointee.jobs.popFirst() {
            runNow(job)
            if isSliceOver() { return }
            left &-= 1
        }
    }

    private func waitForEvents(into events: UnsafeMutableBufferPointer<LoopEvent>) -> Int {
        let isBusy = !state.pointee.jobs.isEmpty || !state.pointee.calls.isEmpty
        if isBusy || isStopping || hasMail.load(ordering: .relaxed) {
            return driver.wait(atMost: 0, into: events)
        }
        var limit: UInt64?
        if let deadline = state.pointee.timers.earliest {
            let now = driver.now()
            limit = deadline > now ? deadline - now : 0
        }
        if limit == 0 { return driver.wait(atMost: 0, into: events) }
        isAsleep.store(true, ordering: .sequentiallyConsistent)
        let hasMail = hasMail.load(ordering: .sequentiallyConsistent)
        let count = driver.wait(atMost: hasMail ? 0 : limit, into: events)
        isAsleep.store(false, ordering: .relaxed)
        return count
    }

    /// Tells sources of their events until the slice is over, and leaves the rest.
    private func tellSources(of events: inout Slice<UnsafeMutableBufferPointer<LoopEvent>>) {
        hot.pointee.slice.begin()
        while let event = events.popFirst() {
            guard let source = state.pointee.table.source(for: event.token) else { continue }
            hot.pointee.budget.refill()
            source.ready(event.readiness)
            if isSliceOver() { return }
        }
    }

    private func fireTimers() {
        hot.pointee.slice.begin()
        let now = driver.now()
        // One after the other: an action may cancel the next.
        while let action = state.pointee.timers.popDue(at: now) {
            hot.pointee.budget.refill()
            action()
            if isSliceOver() { return }
        }
    }

    /// Charges the piece of work that was just done; whether others must have their turn.
    @inline(__always)
    private func isSliceOver() -> Bool {
        hot.pointee.slice.mustLookAtClock(after: hot.pointee.budget)
            && hot.pointee.slice.isOver(at: driver.now())
    }

    private func noticeStall() {
        let worked = driver.coarseNow() &- hot.pointee.turnTime
        guard worked > Self.stallLimit else { return }
        if stalls.add(1, ordering: .relaxed).oldValue == 0 { onStall(.nanoseconds(worked)) }
    }
}

/// The loop's thread; takes over the reference that `EventLoop.init` made for it.
func runLoop(_ loop: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let loop { Unmanaged<EventLoop>.fromOpaque(loop).takeRetainedValue().run() }
    return nil
}
