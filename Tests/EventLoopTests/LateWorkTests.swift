// What reaches a loop while it ends, and afterwards: none of it is lost, none of it runs inside whoever
// brings it, and none of it keeps the loop from ending.

import CEndpoints
import Dispatch
import Testing

@testable import EventLoop

/// Wakes its loop, and then stays in the call for as long as it may, to see whether the loop closes it.
private final class SlowWaker: LoopDriver {
    private struct State {
        var isClosed = false
        var isSlow = false
        var wasClosedWhileWaking = false
    }
    private let inner: EpollDriver
    private let state = Lock(State())
    let isAsleep = Flag()
    let isWaking = Flag()

    init() throws { inner = try EpollDriver() }

    /// Makes the next wake-up slow.
    func becomeSlow() { state.withLock { $0.isSlow = true } }
    var wasClosedWhileWaking: Bool { state.withLock { $0.wasClosedWhileWaking } }

    func wake() {
        inner.wake()
        let isSlow = state.withLock { state in
            defer { state.isSlow = false }
            return state.isSlow
        }
        guard isSlow else { return }
        isWaking.set()
        let limit = endpoints_now() + 100_000_000
        while endpoints_now() < limit && !state.withLock({ $0.isClosed }) { sched_yield() }
        state.withLock { $0.wasClosedWhileWaking = $0.isClosed }
    }

    func close() {
        state.withLock { $0.isClosed = true }
        inner.close()
    }

    func wait(
        atMost nanoseconds: UInt64?,
        into events: UnsafeMutableBufferPointer<LoopEvent>
    ) -> Int {
        if nanoseconds == nil && state.withLock({ $0.isSlow }) { isAsleep.set() }
        return inner.wait(atMost: nanoseconds, into: events)
    }
    func add(_ descriptor: Int32, token: UInt64, writable: Bool) -> Int32 {
        inner.add(descriptor, token: token, writable: writable)
    }
    func watchWritable(_ descriptor: Int32, token: UInt64) -> Int32 {
        inner.watchWritable(descriptor, token: token)
    }
    func remove(_ descriptor: Int32) { inner.remove(descriptor) }
    func now() -> UInt64 { inner.now() }
    func coarseNow() -> UInt64 { inner.coarseNow() }
    func arrange(_ jobs: inout JobQueue) {}
}

/// Notes that its loop ends.
private final class Member: LoopMember, Sendable {
    let isTold = Flag()

    func loopWillStop() { isTold.set() }
}

@Suite("Event loop: late work", .timeLimit(.minutes(1)))
struct LateWorkTests {
    // Run by whoever brings it, the task would go on inside its own cancellation, and abort the process.
    @Test("a task that prefers a loop which has ended, or lives there, can be cancelled")
    func lateCancellation() async {
        await #expect(processExitsWith: .success) {
            let group = EventLoopGroup(loopCount: 1)
            let loop = group.next()
            let waiting = Counter()
            @Sendable func waitForCancellation() async {
                let continuation = Lock<CheckedContinuation<Void, Never>?>(nil)
                await withTaskCancellationHandler {
                    await withCheckedContinuation { new in
                        continuation.withLock { $0 = new }
                        waiting.add()
                    }
                } onCancel: {
                    continuation.withLock { $0?.resume() }
                }
            }
            let tasks = [
                Task(executorPreference: loop) { await waitForCancellation() },
                Task { await Resident(loop).run { _ in await waitForCancellation() } },
            ]
            while waiting.value < tasks.count { await Task.yield() }
            await group.shutdown()
            for task in tasks { task.cancel() }
            for task in tasks { await task.value }
        }
    }

    @Test("what is handed to a loop that has ended runs on another thread, one at a time, in order")
    func anotherThread() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        await group.shutdown()
        let order = Lock<[Int]>([])
        let here = pthread_self()
        let hasRun = DispatchSemaphore(value: 0)
        /// Blocks, so that no other work can come to this thread.
        func bring() {
            for number in 0..<100 {
                loop.run {
                    order.withLock { $0.append(number) }
                    #expect(pthread_self() != here)
                    #expect(loop.isCurrent)
                    if number == 99 { hasRun.signal() }
                }
            }
            hasRun.wait()
        }
        bring()
        #expect(order.withLock { $0 } == Array(0..<100))
    }

    @Test("a timer that is set on a loop that has ended fires, and not within the call")
    func lateTimer() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        await group.shutdown()
        let isSet = Flag()
        await withUnsafeContinuation { continuation in
            loop.run {
                _ = loop.schedule(at: .max) {
                    #expect(isSet.isSet)
                    continuation.resume()
                }
                isSet.set()
            }
        }
    }

    @Test("a task that never rests does not keep the loop from ending", arguments: [false, true])
    func restless(sleeps: Bool) async throws {
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        let isOver = Flag()
        let turns = Counter()
        let restless = Task(executorPreference: loop) {
            while !isOver.isSet {
                turns.add()
                if sleeps {
                    try? await loop.sleep(for: .milliseconds(1))
                } else {
                    await Gate(loop, of: nil).pass()
                }
            }
        }
        while turns.value < 3 { await Task.yield() }
        await group.shutdown()
        // It goes on, and its last turn is not lost.
        let before = turns.value
        while turns.value < before + 3 { await Task.yield() }
        isOver.set()
        await restless.value
    }

    @Test("a timer that the action of another cancels does not fire when the loop ends")
    func cancelledTimer() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        let fired = Lock<[Int]>([])
        await withUnsafeContinuation { continuation in
            loop.run {
                let later = loop.schedule(at: .max) { fired.withLock { $0.append(2) } }
                _ = loop.schedule(at: .max - 1) {
                    fired.withLock { $0.append(1) }
                    loop.cancel(later)
                }
                continuation.resume()
            }
        }
        await group.shutdown()
        #expect(fired.withLock { $0 } == [1])
    }

    @Test("a source that another takes off the loop is not told of the loop's end")
    func removedSource() async throws {
        final class Remover: EventSource, Sendable {
            let loop: EventLoop
            let isTold = Flag()
            let others = Lock<[(Int32, Remover)]>([])
            init(_ loop: EventLoop) { self.loop = loop }
            func ready(_ readiness: Readiness) {}
            func loopWillStop() {
                isTold.set()
                for (descriptor, _) in others.withLock({ $0 }) {
                    loop.deregister(descriptor, closing: false)
                }
            }
        }
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        let descriptors = [endpoints_eventfd(), endpoints_eventfd()].sorted()
        let (first, second) = (Remover(loop), Remover(loop))
        await Resident(loop).run { _ in
            #expect(loop.register(descriptors[0], first) == 0)
            #expect(loop.register(descriptors[1], second) == 0)
        }
        first.others.withLock { $0 = [(descriptors[0], first), (descriptors[1], second)] }
        await group.shutdown()
        #expect(first.isTold.isSet)
        #expect(!second.isTold.isSet)
        first.others.withLock { $0 = [] }
        for descriptor in descriptors { _ = endpoints_close(descriptor) }
    }

    @Test("a loop that ends tells the owners of the gates at which tasks wait, and sends these on")
    func parkedTasks() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        let members = (0..<200).map { _ in Member() }
        let waiting = Counter()
        let tasks = members.map { member in
            Task(executorPreference: loop) {
                await Resident(loop).run { _ in
                    let gate = Gate(loop, of: member)
                    while !member.isTold.isSet {
                        gate.close(for: .read)
                        waiting.add()
                        await gate.pass()
                    }
                }
            }
        }
        while waiting.value < members.count { await Task.yield() }
        await Resident(loop).increment()
        await group.shutdown()
        for task in tasks { await task.value }
        // And a gate that is closed afterwards keeps nobody.
        let late = Member()
        await Resident(loop).run { _ in
            let gate = Gate(loop, of: late)
            gate.close(for: .read)
            await gate.pass()
        }
        #expect(late.isTold.isSet)
    }

    @Test("the driver is not closed while another thread is about to wake it")
    func wakeUp() async throws {
        let driver = try SlowWaker()
        let group = EventLoopGroup(drivers: [driver])
        let loop = group.next()
        await Resident(loop).run { _ in driver.becomeSlow() }
        while !driver.isAsleep.isSet { await Task.yield() }
        let hasWoken = Flag()
        DispatchQueue.global().async {
            loop.run {}
            hasWoken.set()
        }
        while !driver.isWaking.isSet { await Task.yield() }
        await group.shutdown()
        while !hasWoken.isSet { await Task.yield() }
        #expect(!driver.wasClosedWhileWaking)
    }
}

@Suite("Parked gates")
struct ParkedGatesTests {
    @Test("those that are entered and not removed are found, whatever the order", arguments: 1...10)
    func membership(seed: UInt64) async throws {
        try await withLoops { group in
            let gates = (0..<300).map { _ in Gate(group.next(), of: nil) }
            var parked = ParkedGates()
            defer { parked.deallocate() }
            var slots: [Int: Int] = [:]
            var random = seed
            for _ in 0..<5000 {
                random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let number = Int(random >> 33) % gates.count
                if let slot = slots.removeValue(forKey: number) {
                    parked.remove(slot)
                } else {
                    slots[number] = parked.insert(gates[number])
                }
            }
            var found: [ObjectIdentifier] = []
            var next = 0
            while let (slot, gate) = parked.gate(from: next) {
                found.append(ObjectIdentifier(gate))
                next = slot + 1
            }
            #expect(found.count == slots.count)
            #expect(Set(found) == Set(slots.keys.map { ObjectIdentifier(gates[$0]) }))
        }
    }
}
