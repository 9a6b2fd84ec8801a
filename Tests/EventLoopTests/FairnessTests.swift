import CEndpoints
import Testing

@testable import EventLoop

/// A descriptor that is ready again as soon as it was told of.
// Unchecked: touched on the loop's thread only.
private final class Flood: EventSource, @unchecked Sendable {
    private let descriptor = endpoints_eventfd()
    private let loop: EventLoop
    private let didTell: () -> Void

    init(_ loop: EventLoop, didTell: @escaping () -> Void) {
        self.loop = loop
        self.didTell = didTell
    }

    func start() {
        #expect(loop.register(descriptor, self) == 0)
        eventfd_write(descriptor, 1)
    }

    func stop() {
        loop.deregister(descriptor, closing: true)
        _ = endpoints_close(descriptor)
    }

    func ready(_ readiness: Readiness) {
        didTell()
        eventfd_write(descriptor, 1)
    }

    func loopWillStop() {}
}

@Suite("Event loop: fairness", .timeLimit(.minutes(1)))
struct FairnessTests {
    @Test("jobs that never end starve neither a descriptor nor a timer")
    func jobFlood() async throws {
        try await withLoops { group in
            let loop = group.next()
            let mayEnd = Flag()
            defer { mayEnd.set() }
            let hops = Counter()
            let flood = Task(executorPreference: loop) {
                await withTaskGroup(of: Void.self) { tasks in
                    for _ in 0..<50 {
                        tasks.addTask {
                            while !mayEnd.isSet {
                                hops.add()
                                await Task.yield()
                                await Resident(loop).increment()
                                let gate = Gate(loop, of: nil)
                                await gate.pass()
                            }
                        }
                    }
                }
            }
            let descriptor = endpoints_eventfd()
            defer { _ = endpoints_close(descriptor) }
            while hops.value < 5000 { await Task.yield() }
            let event = Task { try await loop.nextEvent(of: descriptor) }
            #expect(try await event.value.contains(.writable))
            try await loop.sleep(for: .milliseconds(5))
            mayEnd.set()
            await flood.value
        }
    }

    @Test("descriptors that are always ready starve neither jobs nor timers")
    func eventFlood() async throws {
        try await withLoops { group in
            let loop = group.next()
            let events = Counter()
            let sources = (0..<300).map { _ in Flood(loop) { events.add() } }
            loop.run { for source in sources { source.start() } }
            while events.value < 3000 { await Task.yield() }
            #expect(await Resident(loop).isAtHome)
            try await loop.sleep(for: .milliseconds(5))
            let before = events.value
            await Resident(loop).increment()
            await Resident(loop).run { _ in for source in sources { source.stop() } }
            #expect(events.value >= before)
        }
    }

    /// What keeps a loop busy, without end, a tenth of a millisecond at a time.
    enum Load: CaseIterable { case jobs, events, timers, calls }

    @Test(
        "timers and calls from elsewhere are a few milliseconds late at most, whatever the load",
        arguments: Load.allCases
    )
    func punctuality(load: Load) async throws {
        let clock = try WorkClock()
        let group = EventLoopGroup(drivers: [clock])
        let loop = group.next()
        let isOver = Flag()
        @Sendable func work() { clock.work(for: .microseconds(100)) }
        @Sendable func workAsCall() {
            work()
            if !isOver.isSet { loop.runOutsideJob(workAsCall) }
        }
        @Sendable func workAsTimer() {
            work()
            if !isOver.isSet { _ = loop.schedule(at: loop.now, workAsTimer) }
        }
        let sources = (0..<300).map { _ in Flood(loop, didTell: work) }
        switch load {
        case .jobs:
            for _ in 0..<2000 {
                Task(executorPreference: loop) {
                    let gate = Gate(loop, of: nil)
                    while !isOver.isSet {
                        work()
                        await gate.pass()
                    }
                }
            }
        case .events: loop.run { for source in sources { source.start() } }
        case .timers: loop.run { for _ in 0..<2000 { _ = loop.schedule(at: 0, workAsTimer) } }
        case .calls: for _ in 0..<2000 { loop.runOutsideJob(workAsCall) }
        }
        var delays: [UInt64] = []
        for _ in 0..<20 {
            // Among thousands of its own kind each must wait for those before it.
            if load != .timers {
                delays.append(
                    await withUnsafeContinuation { continuation in
                        loop.run {
                            let deadline = loop.now + 1_000_000
                            _ = loop.schedule(at: deadline) {
                                continuation.resume(returning: loop.now - deadline)
                            }
                        }
                    }
                )
            }
            if load != .calls {
                delays.append(
                    await withUnsafeContinuation { continuation in
                        let start = loop.now
                        loop.run { continuation.resume(returning: loop.now - start) }
                    }
                )
            }
        }
        isOver.set()
        await Resident(loop).run { _ in
            if load == .events { for source in sources { source.stop() } }
        }
        await group.shutdown()
        #expect(delays.max() ?? 0 < 10_000_000)
    }

    @Test("a job that keeps the loop for long is noticed and told once")
    func stall() async throws {
        let told = Lock<[Duration]>([])
        let group = EventLoopGroup(loopCount: 1) { duration in told.withLock { $0.append(duration) }
        }
        let loop = group.next()
        for _ in 0..<2 {
            await Resident(loop).run { _ in
                let end = endpoints_now() + 150_000_000
                while endpoints_now() < end {}
            }
            // The next turn notices.
            try await loop.sleep(for: .milliseconds(1))
        }
        #expect(loop.stallCount == 2)
        let durations = told.withLock { $0 }
        #expect(durations.count == 1)
        #expect(durations.allSatisfy { $0 >= .milliseconds(100) })
        await group.shutdown()
    }
}

@Suite("Event loop: waking", .timeLimit(.minutes(1)))
struct WakingTests {
    @Test("work from many threads reaches a loop that sleeps, none of it lost")
    func manyThreads() async throws {
        try await withLoops { group in
            let loop = group.next()
            let calls = Counter()
            await withTaskGroup(of: Void.self) { tasks in
                for _ in 0..<8 {
                    tasks.addTask {
                        for index in 0..<2000 {
                            loop.run { calls.add() }
                            if index % 10 == 0 { await Resident(loop).increment() }
                        }
                    }
                }
            }
            await Resident(loop).increment()
            #expect(calls.value == 16_000)
        }
    }

    @Test("calls of one thread run in the order in which it made them")
    func order() async throws {
        try await withLoops { group in
            let loop = group.next()
            let order = Lock<[Int]>([])
            for index in 0..<1000 { loop.run { order.withLock { $0.append(index) } } }
            await Resident(loop).increment()
            #expect(order.withLock { $0 } == Array(0..<1000))
        }
    }

    @Test("a loop that was asleep does not spin afterwards")
    func quiet() async throws {
        try await withLoops { group in
            let loop = group.next()
            try await loop.sleep(for: .milliseconds(2))
            let resident = Resident(loop)
            let before = await resident.run { _ in threadTime() }
            try await loop.sleep(for: .milliseconds(100))
            let after = await resident.run { _ in threadTime() }
            #expect(after - before < 50_000_000)
        }
    }

    /// CPU time of the calling thread, in nanoseconds.
    private func threadTime() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
