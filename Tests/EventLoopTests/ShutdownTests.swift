import CEndpoints
import Testing

@testable import EventLoop

@Suite("Event loop: shutdown", .timeLimit(.minutes(1)))
struct ShutdownTests {
    @Test("leaves no thread and no descriptor")
    func nothingLeft() async {
        // A process of its own: others would make loops meanwhile.
        await #expect(processExitsWith: .success) {
            let groups = 20
            await EventLoopGroup(loopCount: 1).shutdown()
            let before = openDescriptorCount()
            for _ in 0..<groups {
                let group = EventLoopGroup(loopCount: 3)
                #expect(threadNames(beginningWith: "endpoints-").count == 3)
                await Resident(group.next()).increment()
                await group.shutdown()
                // pthread_join returns a moment before the kernel takes the thread off its list.
                let limit = ContinuousClock.now + .seconds(10)
                while ContinuousClock.now < limit,
                    !threadNames(beginningWith: "endpoints-").isEmpty
                {
                    sched_yield()
                }
                #expect(threadNames(beginningWith: "endpoints-") == [])
            }
            // Dispatch, which joins the threads, opens a few of its own when it likes; a group that left
            // one would leave as many as there were groups.
            #expect(openDescriptorCount() - before < groups)
        }
    }

    @Test("calls that wait on the loop throw", arguments: [false, true])
    func waitingCalls(onLoop: Bool) async throws {
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        let descriptor = endpoints_eventfd()
        defer { _ = endpoints_close(descriptor) }
        eventfd_write(descriptor, .max - 1)  // Full: it is readable, and not writable any more.
        let sleeper = Task(executorPreference: onLoop ? loop : nil) {
            try await loop.sleep(for: .seconds(3600))
        }
        while await Resident(loop).run({ $0.loop.state.pointee.timers.earliest == nil }) {}
        await group.shutdown()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
    }

    @Test("calls that come later throw")
    func lateCalls() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        await group.shutdown()
        await #expect(throws: CancellationError.self) { try await loop.sleep(for: .seconds(3600)) }
        let descriptor = endpoints_eventfd()
        defer { _ = endpoints_close(descriptor) }
        await #expect(throws: (any Error).self) { try await loop.nextEvent(of: descriptor) }
    }

    @Test("a job that comes late still runs, alone, and is isolated to the loop")
    func lateJobs() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let resident = Resident(group.next())
        await resident.increment()
        await group.shutdown()
        await withTaskGroup(of: Void.self) { tasks in
            for _ in 0..<8 {
                tasks.addTask { for _ in 0..<200 { await resident.increment() } }
            }
        }
        #expect(await resident.isAtHome)
        #expect(await resident.count == 1601)
        #expect(EventLoop.current == nil)
    }

    @Test("a task that prefers a loop which has ended goes on to its end")
    func latePreference() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        await group.shutdown()
        let isHome = await Task(executorPreference: loop) { loop.isCurrent }.value
        #expect(isHome)
    }

    @Test("may be asked for twice, and by several at once")
    func twice() async throws {
        let group = EventLoopGroup(loopCount: 2)
        await withTaskGroup(of: Void.self) { tasks in
            for _ in 0..<4 { tasks.addTask { await group.shutdown() } }
        }
        await group.shutdown()
    }

    @Test("may be asked for on a loop of the group")
    func fromWithin() async throws {
        let group = EventLoopGroup(loopCount: 2)
        let loop = group.next()
        await Task(executorPreference: loop) { await group.shutdown() }.value
        await Resident(loop).run { _ in await group.shutdown() }
    }

    @Test("work that makes work while the loop ends is done")
    func chain() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        let done = Counter()
        let chain = Task(executorPreference: loop) {
            for _ in 0..<5000 {
                done.add()
                await Gate(loop, of: nil).pass()
            }
        }
        await group.shutdown()
        await chain.value
        #expect(done.value == 5000)
    }

    @Test("does nothing to the shared group")
    func shared() async {
        await EventLoopGroup.shared.shutdown()
        #expect(await Resident(EventLoopGroup.shared.next()).isAtHome)
    }

    @Test(
        "a loop of a process without descriptors runs jobs and timers, and says why it cannot watch"
    )
    func outOfDescriptors() async {
        await #expect(processExitsWith: .success) {
            let group = withoutDescriptors { EventLoopGroup(loopCount: 1) }
            let loop = group.next()
            #expect(await Resident(loop).isAtHome)
            try await loop.sleep(for: .milliseconds(5))
            let error = await #expect(throws: EventLoopError.self) {
                try await loop.nextEvent(of: 0)
            }
            #expect(error?.code == EMFILE)
            await group.shutdown()
        }
    }
}
