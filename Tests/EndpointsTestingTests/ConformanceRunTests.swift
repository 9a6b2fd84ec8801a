import EventLoop
import Testing

@testable import EndpointsTesting

/// Something that a check waits for until it is torn down.
private final class Subject: Sendable {
    private let (stream, continuation) = AsyncStream.makeStream(of: Void.self)

    func wait() async {
        // Whether the task is cancelled or not.
        await Task { for await _ in stream {} }.value
    }

    func end() { continuation.finish() }
}

@Suite("Running checks", .timeLimit(.minutes(1)))
struct ConformanceRunTests {
    private func run(
        tearsDown: Bool = true,
        timeout: Duration = .milliseconds(20),
        _ subject: Subject = Subject(),
        make: @escaping @Sendable () async throws -> Void = {},
        _ body: @escaping @Sendable (Subject) async throws -> Void
    ) async -> [String] {
        let run = ConformanceRun<Subject>(
            timeout: timeout,
            skipping: [:],
            make: {
                try await make()
                return subject
            },
            tearDown: { if tearsDown { $0.end() } },
            grace: .milliseconds(20)
        )
        do { _ = try await run.run([ConformanceCheck("it ends", body)]) } catch {
            return (error as? ConformanceError)?.failures.map(\.reason) ?? ["\(error)"]
        }
        return []
    }

    @Test("a check that ends in time passes, and one that throws fails with what it says")
    func ends() async {
        #expect(await run(timeout: .seconds(60)) { _ in } == [])
        let reasons = await run(timeout: .seconds(60)) { _ in throw Unexpected("not so") }
        #expect(reasons == ["not so"])
    }

    @Test("a check that ends only when it is torn down has failed")
    func late() async {
        let reasons = await run { subject in await subject.wait() }
        #expect(reasons == ["not finished after 0.02 seconds"])
    }

    @Test("a check that fails when it is torn down tells both")
    func lateError() async {
        let reasons = await run { subject in
            await subject.wait()
            throw Unexpected("no byte came")
        }
        #expect(reasons == ["not finished after 0.02 seconds; when it was ended: no byte came"])
    }

    @Test("a check that does not end at all is left behind")
    func stuck() async {
        let subject = Subject()
        let reasons = await run(tearsDown: false, subject) { subject in await subject.wait() }
        #expect(reasons == ["not finished after 0.02 seconds, nor when it was cancelled"])
        subject.end()
    }

    @Test("what makes the subject is limited in time too")
    func making() async {
        let reasons = await run(
            make: { try await EventLoopGroup.shared.next().sleep(for: .seconds(3600)) },
            { _ in }
        )
        #expect(reasons.count == 1)
        #expect(reasons.first?.hasPrefix("not finished after 0.02 seconds") == true)
    }

    @Test("a cancellation ends the check that runs")
    func cancelled() async {
        let (begun, tell) = AsyncStream.makeStream(of: Void.self)
        let running = Task {
            await run(timeout: .seconds(3600)) { _ in
                tell.finish()
                try await EventLoopGroup.shared.next().sleep(for: .seconds(3600))
            }
        }
        for await _ in begun {}
        running.cancel()
        #expect(await running.value == ["CancellationError()"])
    }
}
