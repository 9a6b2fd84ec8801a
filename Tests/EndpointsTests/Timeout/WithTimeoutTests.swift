import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

private struct Oops: Error {}

private actor Ordinary {
    private(set) var count = 0

    func countWithin(_ timeout: Duration) async throws -> Int {
        try await withTimeout(timeout) {
            count += 1
            return count
        }
    }
}

@Suite("withTimeout", .timeLimit(.minutes(1)))
struct WithTimeoutTests {
    @Test("a body in time returns, throws its own errors, and may change its caller's variables")
    func inTime() async throws {
        var steps: [Int] = []
        let value = try await withTimeout(.seconds(60)) {
            steps.append(1)
            await Task.yield()
            steps.append(2)
            return "done"
        }
        steps.append(3)
        #expect(value == "done")
        #expect(steps == [1, 2, 3])
        await #expect(throws: Oops.self) { try await withTimeout(.seconds(60)) { throw Oops() } }
    }

    @Test("it runs where its caller runs", arguments: [false, true])
    func place(onLoop: Bool) async throws {
        #expect(try await Ordinary().countWithin(.seconds(60)) == 1)
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        let isHome = try await Task(executorPreference: onLoop ? loop : nil) {
            try await withTimeout(.seconds(60)) {
                await Task.yield()
                return EventLoop.current === loop
            }
        }.value
        #expect(isHome == onLoop)
        await group.shutdown()
    }

    @Test("when the time is over the body is cancelled, and the error says how long it had")
    func tooLate() async throws {
        let loop = EventLoopGroup.shared.next()
        let error = await #expect(throws: TimeoutError.self) {
            try await withTimeout(.milliseconds(20)) { try await loop.sleep(for: .seconds(3600)) }
        }
        #expect(error?.duration == .milliseconds(20))
        #expect(error?.underlying is CancellationError)
        #expect(error?.description.contains("timed out after") == true)
    }

    @Test("a success that comes late is still returned")
    func lateSuccess() async throws {
        let value = try await withTimeout(.milliseconds(5)) {
            while !Task.isCancelled { await Task.yield() }
            return 7
        }
        #expect(value == 7)
    }

    @Test("a timeout of zero or less cancels at once", arguments: [Duration.zero, .seconds(-1)])
    func zero(timeout: Duration) async throws {
        let isCancelledAtOnce = try await withTimeout(timeout) { Task.isCancelled }
        #expect(isCancelledAtOnce)
        await #expect(throws: TimeoutError.self) {
            try await withTimeout(timeout) { try Task.checkCancellation() }
        }
    }

    @Test(
        "a cancellation from outside stays a CancellationError",
        .tags(.cancellation),
        arguments: [false, true]
    )
    func outside(isZero: Bool) async throws {
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await withTimeout(isZero ? .zero : .seconds(60)) { try Task.checkCancellation() }
        }
        #expect(await isCancelled { try await task.value })
        let loop = EventLoopGroup.shared.next()
        let started = Tally()
        let later = Task {
            try await withTimeout(.seconds(60)) {
                started.add()
                try await loop.sleep(for: .seconds(3600))
            }
        }
        while started.value == 0 { await Task.yield() }
        later.cancel()
        #expect(await isCancelled { try await later.value })
    }

    @Test("the inner of two limits is told by its error, and so is the outer")
    func nested() async throws {
        let loop = EventLoopGroup.shared.next()
        let inner = await #expect(throws: TimeoutError.self) {
            try await withTimeout(.seconds(60)) {
                try await withTimeout(.milliseconds(10)) { try await loop.sleep(for: .seconds(60)) }
            }
        }
        #expect(inner?.duration == .milliseconds(10))
        let outer = await #expect(throws: TimeoutError.self) {
            try await withTimeout(.milliseconds(10)) {
                try await withTimeout(.seconds(60)) { try await loop.sleep(for: .seconds(60)) }
            }
        }
        #expect(outer?.duration == .milliseconds(10))
    }

    @Test("a read under a limit loses nothing", .tags(.cancellation))
    func read() async throws {
        try await withPair { a, b in
            await #expect(throws: TimeoutError.self) {
                try await withTimeout(.milliseconds(10)) { try await b.read(exactly: 3) }
            }
            try await a.write("abc".utf8)
            #expect(try await b.read(exactly: 3) == Array("abc".utf8))
        }
    }

    @Test("thousands of limits that pass at any moment either return or throw, and leave no timer")
    func stress() async throws {
        let group = EventLoopGroup(loopCount: 2)
        let ended = Tally()
        let expired = Tally()
        await withTaskGroup(of: Void.self) { tasks in
            for index in 0..<2000 {
                let loop = group.next()
                tasks.addTask(executorPreference: index % 2 == 0 ? loop : nil) {
                    do {
                        try await withTimeout(.microseconds(index % 1500)) {
                            if index % 5 > 0 {
                                try await loop.sleep(for: .microseconds((index * 7) % 2000))
                            }
                        }
                        ended.add()
                    } catch is TimeoutError { expired.add() } catch {}
                }
            }
        }
        #expect(ended.value + expired.value == 2000)
        #expect(ended.value > 0)
        #expect(expired.value > 0)
        await group.shutdown()
    }
}
