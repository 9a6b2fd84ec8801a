import CEndpoints
import Testing

@testable import EventLoop

@Suite("Gate", .timeLimit(.minutes(1)))
struct GateTests {
    @Test("an open gate lets a task pass, at the end of the queue")
    func open() async throws {
        try await withLoops { group in
            let isHome = await Resident(group.next()).run { resident in
                let gate = Gate(resident.loop, of: nil)
                let other = Task { resident.increment() }
                // The other's job is in the queue when this one goes to its end.
                while resident.count == 0 { await gate.pass() }
                await other.value
                return resident.loop.isCurrent
            }
            #expect(isHome)
        }
    }

    @Test("a closed gate keeps the task until it is opened, and the task comes back to its actor")
    func closed() async throws {
        try await withLoops { group in
            let loop = group.next()
            let resident = Resident(loop)
            let gate = Gate(loop, of: nil)
            let isWaiting = Flag()
            let hasPassed = Flag()
            let waiter = Task {
                await resident.run { resident in
                    gate.close(for: .read)
                    isWaiting.set()
                    await gate.pass()
                    hasPassed.set()
                    return resident.loop.isCurrent
                }
            }
            while !isWaiting.isSet { await Task.yield() }
            await resident.increment()
            #expect(!hasPassed.isSet)
            loop.run { if let job = gate.open() { loop.append(job) } }
            #expect(await waiter.value)
        }
    }

    @Test("whoever comes to a gate at which another waits sends that one on: nobody is lost")
    func second() async throws {
        try await withLoops { group in
            let loop = group.next()
            let resident = Resident(loop)
            let gate = Gate(loop, of: nil)
            let waiting = [Flag(), Flag()]
            let passed = [Flag(), Flag()]
            for number in 0..<2 {
                Task {
                    await resident.run { _ in
                        gate.close(for: .read)
                        waiting[number].set()
                        await gate.pass()
                        passed[number].set()
                    }
                }
                while !waiting[number].isSet { await Task.yield() }
                await resident.increment()
            }
            await resident.increment()
            #expect(passed.map(\.isSet) == [true, false])
            loop.run { if let job = gate.open() { loop.append(job) } }
            while !passed[1].isSet { await Task.yield() }
        }
    }

    @Test("a gate that was opened between the check and the wait keeps nobody: no wake-up is lost")
    func lostWakeUp() async throws {
        try await withLoops { group in
            await Resident(group.next()).run { resident in
                for _ in 0..<1000 {
                    let gate = Gate(resident.loop, of: nil)
                    gate.close(for: .read)
                    #expect(gate.open() == nil)
                    await gate.pass()
                }
            }
        }
    }

    // Were a toolchain to drop the hop into a gate, or to go by way of a continuation's executor, the
    // waiter would run on or come back elsewhere: this is the test that notices.
    @Test("the job that waits at a gate is run from where the gate is opened, in that very call")
    func runFromEvent() async throws {
        try await withLoops { group in
            let loop = group.next()
            let resident = Resident(loop)
            let gate = Gate(loop, of: nil)
            let steps = Lock<[String]>([])
            @Sendable func note(_ step: String) { steps.withLock { $0.append(step) } }
            let waiter = Task(executorPreference: loop) {
                await resident.run { resident in
                    gate.close(for: .read)
                    note("waits")
                    await gate.pass()
                    note("woken")
                    #expect(resident.loop.isCurrent)
                }
            }
            while steps.withLock({ $0.isEmpty }) { await Task.yield() }
            await withUnsafeContinuation { continuation in
                loop.run {
                    _ = loop.schedule(at: 0) {
                        note("opens")
                        if let job = gate.open() { loop.runNow(job) }
                        note("opened")
                        continuation.resume()
                    }
                }
            }
            await waiter.value
            #expect(steps.withLock { $0 } == ["waits", "opens", "woken", "opened"])
        }
    }

    @Test(
        "the task that the runtime names is the same one throughout a task, and another in another"
    )
    func currentTask() async throws {
        try await withLoops { group in
            let loop = group.next()
            let (first, again) = await Task(executorPreference: loop) {
                let first = UInt(bitPattern: endpoints_current_task())
                await Resident(loop).increment()
                await Gate(loop, of: nil).pass()
                try? await loop.sleep(for: .milliseconds(1))
                let child = await withTaskGroup(of: UInt.self) { group in
                    group.addTask { UInt(bitPattern: endpoints_current_task()) }
                    return await group.reduce(0, +)
                }
                #expect(child != first)
                return (first, UInt(bitPattern: endpoints_current_task()))
            }.value
            #expect(first != 0)
            #expect(first == again)
            let outside = await withUnsafeContinuation { continuation in
                loop.run {
                    _ = loop.schedule(at: 0) {
                        continuation.resume(returning: UInt(bitPattern: endpoints_current_task()))
                    }
                }
            }
            #expect(outside == 0)
        }
    }
}
