import CEndpoints
import Testing

@testable import EventLoop

private actor Ordinary {
    private var count = 0

    func increment() -> Int {
        count += 1
        return count
    }
}

@MainActor private func onMainActor() -> Int { 1 }

private nonisolated(nonsending) func whereTheCallerIs(_ loop: EventLoop) async -> Bool {
    loop.isCurrent
}

@Suite("Event loop: hops", .timeLimit(.minutes(1)))
struct HopTests {
    @Test("an actor of the loop runs on the loop's thread")
    func home() async throws {
        try await withLoops { group in
            let resident = Resident(group.next())
            #expect(await resident.isAtHome)
            #expect(EventLoop.current == nil)
        }
    }

    @Test("a default actor works from a task that prefers the loop, which comes back")
    func defaultActor() async throws {
        try await withLoops { group in
            let loop = group.next()
            let ordinary = Ordinary()
            let home = await Task(executorPreference: loop) {
                let before = loop.isCurrent
                let count = await ordinary.increment()
                return before && count == 1 && loop.isCurrent
            }.value
            #expect(home)
        }
    }

    @Test("a default actor works from an actor of the loop, which comes back")
    func defaultActorFromResident() async throws {
        try await withLoops { group in
            let ordinary = Ordinary()
            let home = await Resident(group.next()).run { resident in
                _ = await ordinary.increment()
                return resident.loop.isCurrent
            }
            #expect(home)
        }
    }

    @Test("the main actor works from the loop, which comes back")
    func mainActor() async throws {
        try await withLoops { group in
            let home = await Resident(group.next()).run { resident in
                let one = await onMainActor()
                return one == 1 && resident.loop.isCurrent
            }
            #expect(home)
        }
    }

    @Test("async let and group children of a task with preference run on the loop")
    func children() async throws {
        try await withLoops { group in
            let loop = group.next()
            let all = await Task(executorPreference: loop) {
                async let first = whereTheCallerIs(loop)
                async let second = whereTheCallerIs(loop)
                var isHome = await first
                isHome = await second && isHome
                return await withTaskGroup(of: Bool.self) { group in
                    for _ in 0..<100 { group.addTask { await whereTheCallerIs(loop) } }
                    return await group.reduce(isHome) { $0 && $1 } && loop.isCurrent
                }
            }.value
            #expect(all)
        }
    }

    @Test("a detached task leaves the loop, and its value comes back to it")
    func detached() async throws {
        try await withLoops { group in
            let home = await Resident(group.next()).run { resident in
                let loop = resident.loop
                let isAway = await Task.detached { EventLoop.current !== loop }.value
                return isAway && loop.isCurrent
            }
            #expect(home)
        }
    }

    @Test("an actor that shares the loop costs no hop: same thread, nothing runs in between")
    func sharedExecutor() async throws {
        try await withLoops { group in
            let guest = Resident(group.next())
            let host = Resident(guest.loop)
            let isSame = await host.run { host in
                let thread = pthread_self()
                var passed = 0
                // Were a call a hop, this job would run before the calls are done.
                host.loop.append(UnownedJob.counting { passed += 1 })
                for _ in 0..<1000 { await guest.increment() }
                let there = await guest.thread
                return pthread_equal(thread, there) != 0 && passed == 0
            }
            #expect(isSame)
            #expect(await guest.count == 1000)
        }
    }

    @Test("two loops of a group are two threads")
    func threads() async throws {
        try await withLoops(2) { group in
            let first = await Resident(group.loops[0]).thread
            let second = await Resident(group.loops[1]).thread
            #expect(pthread_equal(first, second) == 0)
        }
    }

    @Test("the loops of a group come in turn")
    func turn() async throws {
        try await withLoops(3) { group in
            let taken = (0..<6).map { _ in ObjectIdentifier(group.next()) }
            #expect(Set(taken).count == 3)
            #expect(taken[..<3] == taken[3...])
        }
    }

    @Test("assumeIsolated holds on the loop")
    func assumption() async throws {
        try await withLoops { group in
            let resident = Resident(group.next())
            let isHome = await withUnsafeContinuation { continuation in
                resident.loop.run {
                    continuation.resume(returning: resident.assumeIsolated { $0.loop.isCurrent })
                }
            }
            #expect(isHome)
        }
    }
}
