// One thread, one readiness source, one timer queue, one job queue.
//
// One object is both the actors' serial executor and the tasks' preferred executor. The runtime
// asks at each call into an actor and each return from it whether it is already in the right place;
// with one object the answer is a comparison of pointers, and a handler never leaves its thread.
//
// A turn: take the mail, run the ready jobs (at most `jobsPerTurn`, so that jobs which make jobs
// starve no descriptor), wait or look for events, tell their sources, fire the timers. A source may
// run the job it kept (Gate.swift) right away, while its connection is in the cache; a batch of
// events is bounded, so that descriptors starve no job.

import CEndpoints
import Synchronization

/// An event loop: one thread on which connections live.
///
/// Actors whose `unownedExecutor` is the loop's, and tasks that prefer it, run on its thread. A loop
/// belongs to an ``EventLoopGroup``.
public final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
    // Unchecked: `mailbox` is locked, the flags are atomic, `driver` is constant; all else is touched
    // on the loop's thread only.

    /// What the hot path touches, behind a pointer: plain memory costs no exclusivity checks.
    package struct HotState {
        /// The time when this turn began, coarse; nanoseconds of the loop's clock.
        package var turnTime: UInt64 = 0
        /// What the current piece of work may still do before it must let others run.
        package var budget = WorkBudget()
        package var blocks = BlockPool()
    }
    /// What only the loop itself touches; behind a pointer for the same reason.
    struct State {
        var jobs = JobQueue()
        var timers = TimerQueue()
        var table = DescriptorTable()
        var isStopping = false
    }
    static let jobsPerTurn = 1024
    static let stallLimit: UInt64 = 100_000_000

    package let hot: UnsafeMutablePointer<HotState>
    let driver: any LoopDriver
    let mailbox = Lock(Mailbox())
    let hasMail = Atomic<Bool>(false)
    private let isAsleep = Atomic<Bool>(false)
    private let stalls = Atomic<Int>(0)
    private let onStall: @Sendable (Duration) -> Void

    let state: UnsafeMutablePointer<State>
    /// The loop is at its end: timers fire before their time.
    package var isStopping: Bool { state.pointee.isStopping }
    var hasStopped = false
    var thread = pthread_t()
    let isJoined = Lock(false)

    /// Makes a loop and starts its thread.
    ///
    /// - Parameters:
    ///   - driver: Where readiness and time come from.
    ///   - name: The thread's name, of which the kernel keeps 15 bytes.
    ///   - onStall: Told, the first time, how long a job kept the loop from its other work.
    package init(
        driver: any LoopDriver,
        name: String = "endpoints",
        onStall: @escaping @Sendable (Duration) -> Void = { _ in }
    ) {
        self.driver = driver
        self.onStall = onStall
        hot = .allocate(capacity: 1)
        hot.initialize(to: HotState())
        state = .allocate(capacity: 1)
        state.initialize(to: State())
        let start = Unmanaged.passRetained(self)
        let result = pthread_create(&thread, nil, runLoop, start.toOpaque())
        if result == 0 {
            endpoints_name_thread(thread, String(name.prefix(15)))
        } else {
            // No thread to be had: what is handed to the loop runs on whoever brings it.
            start.release()
            hasStopped = true
            isJoined.withLock { $0 = true }
            mailbox.withLock { $0.state = .stopped }
        }
    }

    deinit {
        hot.pointee.blocks.removeAll()
        hot.deallocate()
        state.pointee.jobs.deallocate()
        state.pointee.table.deallocate()
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Whether the caller runs on this loop's thread.
    @inlinable public var isCurrent: Bool {
        endpoints_current_loop() == Unmanaged.passUnretained(self).toOpaque()
    }

    /// The loop on whose thread the caller runs, if it is one.
    public static var current: EventLoop? {
        endpoints_current_loop().map {
            Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue()
        }
    }

    /// How often a job has kept this loop from its other work for more than 100 ms.
    public var stallCount: Int { stalls.load(ordering: .relaxed) }

    // MARK: executor

    /// Takes a job from the runtime.
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if isCurrent { return state.pointee.jobs.append(job) }
        post { $0.jobs.append(job) }
    }

    /// The loop as an actor's executor.
    @inlinable public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    /// The loop as a task's preferred executor.
    @inlinable public func asUnownedTaskExecutor() -> UnownedTaskExecutor {
        UnownedTaskExecutor(ordinary: self)
    }

    /// Whether the caller is isolated to the actors of this loop.
    public func isIsolatingCurrentContext() -> Bool? { isCurrent }

    /// Traps unless the caller runs on this loop; called by `assumeIsolated` and the like.
    public func checkIsolated() {
        precondition(isCurrent, "not on this event loop")
    }

    // MARK: work from anywhere

    /// Runs `body` on the loop: at once if that is where the caller is.
    package func run(_ body: @escaping @Sendable () -> Void) {
        if isCurrent { body() } else { post { $0.calls.append(body) } }
    }

    /// Runs `body` on the loop, soon and outside any job: what an event source may ask for.
    package func runOutsideJob(_ body: @escaping @Sendable () -> Void) {
        post { $0.calls.append(body) }
    }

    private func post(_ add: (inout Mailbox) -> Void) {
        // The runtime holds no reference to an executor, and what is posted may drop the last one.
        let me = Unmanaged.passRetained(self)
        defer { me.release() }
        let previous = mailbox.withLock { box in
            add(&box)
            defer { if box.state == .stopped { box.state = .runningLate } }
            return box.state
        }
        switch previous {
        case .running:
            // The loop says that it sleeps and then looks for mail; here it is the other way round,
            // so one of the two sees the other's word.
            hasMail.store(true, ordering: .sequentiallyConsistent)
            if isAsleep.exchange(false, ordering: .sequentiallyConsistent) { driver.wake() }
        case .stopped: runLate()
        case .runningLate: break
        }
    }

    /// Runs what was handed to a loop that has no thread, on the caller's; see Mailbox.swift.
    private func runLate() {
        let outer = endpoints_current_loop()
        endpoints_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        defer { endpoints_set_current_loop(outer) }
        repeat {
            takeMail()
            while runJobs() {}
        } while !mailbox.withLock { box in
            if box.isEmpty { box.state = .stopped }
            return box.isEmpty
        }
    }

    // MARK: jobs, on the loop

    /// Puts a job at the end of the queue.
    package func append(_ job: UnownedJob) { state.pointee.jobs.append(job) }

    /// Runs a job at once; only from an event source or a timer, where no job is running.
    package func runNow(_ job: UnownedJob) {
        hot.pointee.budget.refill()
        job.runSynchronously(
            isolatedTo: asUnownedSerialExecutor(),
            taskExecutor: asUnownedTaskExecutor()
        )
    }

    private func takeMail() {
        var calls: [@Sendable () -> Void] = []
        mailbox.withLock { box in
            hasMail.store(false, ordering: .relaxed)
            for job in box.jobs { state.pointee.jobs.append(job) }
            box.jobs.removeAll(keepingCapacity: true)
            swap(&calls, &box.calls)
        }
        for call in calls { call() }
    }

    /// Runs a bounded number of jobs; answers whether any are left.
    func runJobs() -> Bool {
        var budget = Self.jobsPerTurn
        while budget > 0, let job = state.pointee.jobs.popFirst() {
            runNow(job)
            budget -= 1
        }
        return !state.pointee.jobs.isEmpty
    }

    // MARK: descriptors, on the loop

    /// Begins to tell `source` when the descriptor becomes readable or ends.
    ///
    /// - Parameters:
    ///   - descriptor: One that is not registered.
    ///   - source: Whom to tell.
    ///   - writable: Whether also when it becomes writable.
    /// - Returns: 0 or -errno.
    package func register(
        _ descriptor: Int32,
        _ source: any EventSource,
        writable: Bool = false
    ) -> Int32 {
        if isStopping || hasStopped { return -ESHUTDOWN }
        let token = state.pointee.table.insert(source, for: descriptor)
        let result = driver.add(descriptor, token: token, writable: writable)
        if result != 0 { state.pointee.table.remove(descriptor) }
        return result
    }

    /// Tells the source of a registered descriptor also when it becomes writable.
    ///
    /// - Returns: 0 or -errno.
    package func watchWritable(_ descriptor: Int32) -> Int32 {
        if hasStopped { return -ESHUTDOWN }
        return driver.watchWritable(
            descriptor,
            token: state.pointee.table.token(for: descriptor)
        )
    }

    /// Tells `source` instead of whom it told until now.
    package func reregister(_ descriptor: Int32, _ source: any EventSource) {
        state.pointee.table.replace(source, for: descriptor)
    }

    /// Ends that.
    ///
    /// - Parameters:
    ///   - descriptor: A registered descriptor.
    ///   - closing: Whether the caller closes the descriptor next, which takes it out of the
    ///     readiness source by itself unless somebody else holds a copy of it.
    package func deregister(_ descriptor: Int32, closing: Bool) {
        state.pointee.table.remove(descriptor)
        if !closing && !hasStopped { driver.remove(descriptor) }
    }

    // MARK: timers, on the loop

    /// The loop's clock, in nanoseconds.
    package var now: UInt64 { driver.now() }

    /// Calls `action` on the loop at `deadline` (nanoseconds of the loop's clock), outside any job.
    package func schedule(at deadline: UInt64, _ action: @escaping () -> Void) -> LoopTimer {
        let timer = LoopTimer(deadline: deadline, action: action)
        state.pointee.timers.insert(timer)
        return timer
    }

    package func cancel(_ timer: LoopTimer) { state.pointee.timers.remove(timer) }

    // MARK: the loop

    fileprivate func run() {
        blockSignals()
        endpoints_set_current_loop(Unmanaged.passUnretained(self).toOpaque())
        let events = UnsafeMutableBufferPointer<LoopEvent>.allocate(capacity: 256)
        defer { events.deallocate() }
        hot.pointee.turnTime = driver.coarseNow()
        repeat {
            if hasMail.load(ordering: .acquiring) { takeMail() }
            driver.arrange(&state.pointee.jobs)
            let isBusy = runJobs()
            noticeStall()
            let count = waitForEvents(into: events, isBusy: isBusy)
            hot.pointee.turnTime = driver.coarseNow()
            for event in events[..<count] {
                state.pointee.table.source(for: event.token)?.ready(event.readiness)
            }
            if state.pointee.timers.earliest != nil { fireTimers() }
        } while !(isStopping && finish())
        endpoints_set_current_loop(nil)
    }

    private func waitForEvents(
        into events: UnsafeMutableBufferPointer<LoopEvent>,
        isBusy: Bool
    ) -> Int {
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

    private func fireTimers() {
        let now = driver.now()
        while let action = state.pointee.timers.popDue(at: now) { action() }
    }

    private func noticeStall() {
        let worked = driver.coarseNow() &- hot.pointee.turnTime
        guard worked > Self.stallLimit else { return }
        if stalls.add(1, ordering: .relaxed).oldValue == 0 { onStall(.nanoseconds(worked)) }
    }

    /// Signals are for the program's own threads; SIGPIPE is for nobody.
    ///
    /// What a fault raises stays.
    private func blockSignals() {
        var signals = sigset_t()
        sigfillset(&signals)
        for fault in [SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPROF, SIGSYS] {
            sigdelset(&signals, fault)
        }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}

/// The loop's thread; takes over the reference that `init` made for it.
private func runLoop(_ loop: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let loop { Unmanaged<EventLoop>.fromOpaque(loop).takeRetainedValue().run() }
    return nil
}
