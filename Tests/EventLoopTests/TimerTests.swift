import CEndpoints
import Synchronization
import Testing

@testable import EventLoop

@Suite("Timer queue")
struct TimerQueueTests {
    @Test(
        "timers leave by deadline, whatever order they came in, without those removed",
        arguments: 1...20
    )
    func order(seed: Int) {
        var queue = TimerQueue()
        var fired: [UInt64] = []
        var timers: [LoopTimer] = []
        var random = UInt64(seed)
        func number() -> UInt64 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return random >> 33
        }
        for _ in 0..<300 {
            let deadline = number() % 100
            let timer = LoopTimer(deadline: deadline) { fired.append(deadline) }
            timers.append(timer)
            queue.insert(timer)
        }
        var expected = timers.map(\.deadline)
        for index in stride(from: 299, through: 0, by: -3) {
            queue.remove(timers[index])
            queue.remove(timers[index])
            expected.remove(at: index)
        }
        #expect(queue.earliest == expected.min())
        while let action = queue.popDue(at: 49) { action() }
        #expect(fired == expected.filter { $0 <= 49 }.sorted())
        #expect(queue.popDue(at: 49) == nil)
        while let action = queue.popDue(at: .max) { action() }
        #expect(fired == expected.sorted())
        #expect(queue.earliest == nil)
        for timer in timers { queue.remove(timer) }
    }

    @Test(
        "a duration in nanoseconds is never negative and never overflows",
        arguments: [
            (Duration.zero, 0), (.nanoseconds(-5), 0), (.seconds(-3), 0),
            (.milliseconds(1), 1_000_000), (.seconds(2), 2_000_000_000),
            (.seconds(Int64.max), 4_000_000_000_000_000_000),
        ] as [(Duration, UInt64)]
    )
    func clamping(duration: Duration, nanoseconds: UInt64) {
        #expect(duration.nanosecondsClamped == nanoseconds)
    }
}

@Suite("Event loop: sleeping", .timeLimit(.minutes(1)))
struct SleepTests {
    @Test("a sleep is never shorter than asked for", arguments: [0, 1, 7, 20])
    func length(milliseconds: Int) async throws {
        try await withLoops { group in
            let clock = ContinuousClock()
            let start = clock.now
            try await group.next().sleep(for: .milliseconds(milliseconds))
            #expect(clock.now - start >= .milliseconds(milliseconds))
        }
    }

    @Test("a negative sleep returns at once")
    func negative() async throws {
        try await withLoops { try await $0.next().sleep(for: .seconds(-1)) }
    }

    @Test("sleeps end in the order of their lengths")
    func order() async throws {
        try await withLoops { group in
            let loop = group.next()
            let order = Lock<[Int]>([])
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for milliseconds in [60, 20, 40] {
                    tasks.addTask {
                        try await loop.sleep(for: .milliseconds(milliseconds))
                        order.withLock { $0.append(milliseconds) }
                    }
                }
                try await tasks.waitForAll()
            }
            #expect(order.withLock { $0 } == [20, 40, 60])
        }
    }

    @Test("a cancelled sleep throws at once, and leaves no timer", arguments: [false, true])
    func cancelled(onLoop: Bool) async throws {
        try await withLoops { group in
            let loop = group.next()
            let sleeper = Task(executorPreference: onLoop ? loop : nil) {
                try await loop.sleep(for: .seconds(3600))
            }
            while await Resident(loop).run({ $0.loop.state.pointee.timers.earliest == nil }) {}
            sleeper.cancel()
            await #expect(throws: CancellationError.self) { try await sleeper.value }
            #expect(await Resident(loop).run { $0.loop.state.pointee.timers.earliest == nil })
        }
    }

    @Test("a sleep in a task that is cancelled already throws")
    func cancelledBefore() async throws {
        try await withLoops { group in
            let loop = group.next()
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await loop.sleep(for: .seconds(3600))
            }
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test("thousands of sleeps, cancelled at any moment, all end and leave no timer")
    func stress() async throws {
        try await withLoops(2) { group in
            let ended = Counter()
            let cancelled = Counter()
            await withTaskGroup(of: Void.self) { tasks in
                for index in 0..<4000 {
                    let loop = group.next()
                    let sleeper = Task(executorPreference: index % 2 == 0 ? loop : nil) {
                        do {
                            try await loop.sleep(for: .microseconds(index % 3000))
                            ended.add()
                        } catch { cancelled.add() }
                    }
                    tasks.addTask {
                        if index % 3 == 0 { await Task.yield() }
                        if index % 4 != 1 { sleeper.cancel() }
                        await sleeper.value
                    }
                }
            }
            #expect(ended.value + cancelled.value == 4000)
            #expect(ended.value >= 1000)
            #expect(cancelled.value > 0)
            for loop in group.loops {
                #expect(await Resident(loop).run { $0.loop.state.pointee.timers.earliest == nil })
            }
        }
    }
}

@Suite("Cores that the process may use")
struct CoreCountTests {
    @Test(
        "a quota is rounded up to cores",
        arguments: [
            ("max 100000\n", nil), ("100000 100000\n", 1), ("150000 100000\n", 2),
            ("50000 100000\n", 1), ("400000 100000", 4), ("0 100000\n", nil), ("100000 0\n", nil),
            ("-1 100000\n", nil), ("", nil), ("100000", nil), ("1 2 3\n", nil), ("a b\n", nil),
            ("9223372036854775807 1\n", Int.max),
        ] as [(String, Int?)]
    )
    func cgroup(text: String, cores: Int?) {
        #expect(quota(fromCPUMax: text) == cores)
    }

    @Test("there is at least one, and no more than the machine has")
    func bounds() {
        let count = usableCoreCount()
        #expect(count >= 1)
        #expect(count <= Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        #expect(EventLoopGroup.shared.loops.count == count)
    }
}
