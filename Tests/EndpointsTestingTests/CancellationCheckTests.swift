import CEndpoints
import Endpoints
import EventLoop
import Testing

@testable import EndpointsTesting

/// Leaves a task behind that waits for the end of `stream`.
private func leave(_ stream: AsyncStream<Void>) {
    Task { for await _ in stream {} }
}

@Suite("Checking cancellation", .serialized, .timeLimit(.minutes(2)))
struct CancellationCheckTests {
    @Test("a body that suspends is cancelled at each suspension")
    func steps() async throws {
        let count = try await checkCancellation {
            for _ in 0..<5 {
                try Task.checkCancellation()
                await Task.yield()
            }
        }
        #expect(count >= 5)
    }

    @Test("a body that ignores cancellation and returns is fine")
    func ignores() async throws {
        try await checkCancellation { await Task.yield() }
    }

    @Test("a body that waits for ever is cancelled there")
    func waits() async throws {
        try await checkCancellation(patience: .milliseconds(20)) {
            try await EventLoopGroup.shared.next().sleep(for: .seconds(3600))
        }
    }

    @Test("a body that does not return is told")
    func stuck() async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        await #expect {
            try await checkCancellation(
                promptness: .milliseconds(20),
                patience: .milliseconds(20)
            ) {
                await Task { for await _ in stream {} }.value
            }
        } throws: { error in
            let limit = TestPatience.limit(.milliseconds(20))
            return "\(error)" == "cancelled at suspension 0: not returned after \(limit)"
        }
        continuation.finish()
    }

    @Test("a body that throws something else when cancelled is told")
    func wrongError() async throws {
        await #expect {
            try await checkCancellation {
                await Task.yield()
                if Task.isCancelled { throw EndpointError(.closed, operation: "test") }
            }
        } throws: { error in
            (error as? CancellationCheckError)?.reason.hasPrefix("threw instead") == true
        }
    }

    @Test("an error without a cancellation is the body's own")
    func ownError() async throws {
        await #expect(throws: EndpointError.self) {
            try await checkCancellation {
                if !Task.isCancelled { throw EndpointError(.closed, operation: "test") }
            }
        }
    }

    @Test("a descriptor that is left open is told")
    func leak() async throws {
        let left = Lock<[Int32]>([])
        await #expect {
            try await checkCancellation(promptness: .milliseconds(20)) {
                let descriptor = endpoints_eventfd()
                left.withLock { $0.append(descriptor) }
                try Task.checkCancellation()
                _ = endpoints_close(descriptor)
            }
        } throws: { error in
            (error as? CancellationCheckError)?.reason.contains("eventfd") == true
        }
        for descriptor in left.withLock({ $0 }) { _ = endpoints_close(descriptor) }
    }

    @Test("a task that is left behind is told")
    func leftTask() async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        await #expect {
            try await checkCancellation(promptness: .milliseconds(20)) {
                leave(stream)
                await Task.yield()
            }
        } throws: { error in
            (error as? CancellationCheckError)?.reason == "left behind: a task that has not ended"
        }
        continuation.finish()
    }

    @Test("tasks that end by themselves are fine")
    func endingTasks() async throws {
        try await checkCancellation {
            Task { try? await EventLoopGroup.shared.next().sleep(for: .milliseconds(2)) }
            await Task.yield()
        }
    }

    @Test("connecting, talking and closing take it at each suspension")
    func connection() async throws {
        let listener = try await TCPServerEndpoint(port: 0, interface: "127.0.0.1").listen()
        let served = Task {
            try await listener.serve { connection in
                for try await chunk in connection { try await connection.write(chunk) }
            }
        }
        let client = TCPClientEndpoint(
            host: "127.0.0.1",
            port: listener.addresses.first?.port ?? 0
        )
        let count = try await checkCancellation {
            try await client.withConnection { connection in
                try await connection.write("hello".utf8)
                _ = try await connection.read(exactly: 5)
            }
        }
        #expect(count > 2)
        try await checkCancellation(patience: .milliseconds(30)) {
            try await client.withConnection { connection in
                _ = try await connection.read(atMost: 1)
            }
        }
        await listener.drain(within: .seconds(5))
        try await served.value
    }

    @Test("a pair's descriptors and timers are gone behind the test", .leakFree)
    func leakFree() async throws {
        let (a, b) = Connection.memoryPair()
        a.idleTimeout = .seconds(60)
        try await a.write([1])
        #expect(try await b.read(exactly: 1) == [1])
        await a.close()
        await b.close()
    }

    @Test("a test that leaves a descriptor open has an issue")
    func leaves() async throws {
        let left = Lock<[Int32]>([])
        await withKnownIssue {
            let trait = LeakFreeTrait.leakFree(within: .milliseconds(20))
            let test = try #require(Test.current)
            try await trait.provideScope(for: test, testCase: Test.Case.current) {
                left.withLock { $0.append(endpoints_eventfd()) }
            }
        }
        for descriptor in left.withLock({ $0 }) { _ = endpoints_close(descriptor) }
    }

    @Test("a test that leaves a task behind has an issue", arguments: [false, true])
    func leavesTask(withinCheck: Bool) async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        try await withKnownIssue {
            let trait = LeakFreeTrait.leakFree(within: .milliseconds(20))
            let test = try #require(Test.current)
            try await trait.provideScope(for: test, testCase: Test.Case.current) {
                guard withinCheck else { return leave(stream) }
                let check = await outcome {
                    try await checkCancellation(promptness: .milliseconds(20)) { leave(stream) }
                    return nil
                }
                #expect(check.error is CancellationCheckError)
            }
        } matching: { issue in
            issue.description.contains("a task that has not ended")
        }
        continuation.finish()
    }

    @Test("a clock that stands still wakes who is due, and ends with cancellation")
    func clock() async throws {
        let clock = ManualClock()
        let short = Task { try await clock.sleep(for: .seconds(1)) }
        let long = Task { try await clock.sleep(for: .seconds(3)) }
        await clock.whenSleepers { $0 == [.seconds(1), .seconds(3)] }
        clock.advance(by: .seconds(2))
        try await short.value
        #expect(clock.remaining == [.seconds(1)])
        long.cancel()
        await #expect(throws: CancellationError.self) { try await long.value }
    }
}
