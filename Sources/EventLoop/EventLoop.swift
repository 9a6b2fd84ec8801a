// One thread, one readiness source, one timer queue, one job queue.
//
// One object is both the actors' serial executor and the tasks' preferred executor. The runtime
// asks at each call into an actor and each return from it whether it is already in the right place;
// with one object the answer is a comparison of pointers, and a handler never leaves its thread.
//
// A job that comes from elsewhere is never run by whoever brings it: that may be in the middle of
// something, such as a cancellation, that the job cannot stand. It goes to the mailbox, also when the
// loop has ended (EventLoop+Stopping.swift). What the thread does all day is in EventLoop+Turn.swift.

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
        /// How much of the turn is left for work of the present kind.
        var slice = WorkSlice()
        /// The loop is ending, or has ended: timers fire before their time, and nobody waits.
        package var isStopping = false
        package var blocks = BlockPool()
        /// The gates at which a task waits.
        var parked = ParkedGates()
    }
    /// What only the loop itself touches; behind a pointer for the same reason.
    struct State {
        var jobs = JobQueue()
        var timers = TimerQueue()
        var table = DescriptorTable()
        /// Calls from other threads that have been taken from the mailbox, the first at the end.
        var calls: [@Sendable () -> Void] = []
        /// Jobs that came with them, and wait until they have run.
        var jobsAfterCalls: [UnownedJob] = []
        var roundsLeft = EventLoop.mostStopRounds
    }

    package let hot: UnsafeMutablePointer<HotState>
    let driver: any LoopDriver
    let mailbox = Lock(Mailbox())
    let hasMail = Atomic<Bool>(false)
    let isAsleep = Atomic<Bool>(false)
    /// Threads that are about to wake the driver, which is not closed before they have.
    let wakers = Atomic<Int>(0)
    let stalls = Atomic<Int>(0)
    let onStall: @Sendable (Duration) -> Void

    let state: UnsafeMutablePointer<State>
    /// The loop is ending, or has ended: timers fire before their time, and nobody waits.
    package var isStopping: Bool { hot.pointee.isStopping }
    /// The loop has ended, and its driver is closed.
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
            // No thread to be had: the loop has ended before it began.
            start.release()
            hot.pointee.isStopping = true
            hasStopped = true
            driver.close()
            isJoined.withLock { $0 = true }
            mailbox.withLock { $0.state = .stopped }
        }
    }

    deinit {
        hot.pointee.blocks.removeAll()
        hot.pointee.parked.deallocate()
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
        let (isAsleep, isLate) = mailbox.withLock { box in
            add(&box)
            switch box.state {
            case .running:
                // The loop says that it sleeps and then looks for mail; here it is the other way
                // round, so one of the two sees the other's word.
                hasMail.store(true, ordering: .sequentiallyConsistent)
                let isAsleep = self.isAsleep.exchange(false, ordering: .sequentiallyConsistent)
                // Under the lock: so the loop, which ends under it, knows of everyone who may still
                // write to its driver.
                if isAsleep { wakers.add(1, ordering: .relaxed) }
                return (isAsleep, false)
            case .stopped:
                box.state = .runningLate
                return (false, true)
            case .runningLate: return (false, false)
            }
        }
        if isAsleep {
            driver.wake()
            wakers.subtract(1, ordering: .releasing)
        }
        if isLate { runLate() }
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
        if isStopping { return -ESHUTDOWN }
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
    ///
    /// On a loop that is ending or has ended, soon: no timer is lost, and none holds up the end.
    package func schedule(at deadline: UInt64, _ action: @escaping () -> Void) -> LoopTimer {
        let timer = LoopTimer(deadline: deadline, action: action)
        state.pointee.timers.insert(timer)
        return timer
    }

    package func cancel(_ timer: LoopTimer) { state.pointee.timers.remove(timer) }
}
