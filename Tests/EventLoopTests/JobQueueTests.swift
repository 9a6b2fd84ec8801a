import Testing

@testable import EventLoop

extension UnownedJob {
    /// A job of the runtime's own making: the first part of a task that runs `body`.
    static func counting(_ body: @escaping () -> Void) -> UnownedJob {
        let catcher = JobCatcher.shared
        // Safe: run on the loop's thread, by the test that made it.
        nonisolated(unsafe) let body = body
        Task(executorPreference: catcher) { body() }
        return catcher.take()
    }
}

/// A task executor that keeps what it is given.
// Unchecked: the job is behind a lock.
private final class JobCatcher: TaskExecutor, @unchecked Sendable {
    static let shared = JobCatcher()
    private let jobs = Lock<[UnownedJob]>([])

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
    }

    func take() -> UnownedJob { jobs.withLock { $0.removeLast() } }

    /// Jobs that nobody runs are leaks.
    func run(_ jobs: [UnownedJob]) {
        for job in jobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}

@Suite("Job queue", .serialized)
struct JobQueueTests {
    private func ids(_ queue: inout JobQueue, _ count: Int) -> [String] {
        (0..<count).map { _ in queue.popFirst().map { "\($0)" } ?? "none" }
    }

    @Test("jobs leave in the order in which they came, also when the ring has grown and wrapped")
    func order() {
        let jobs = (0..<1000).map { _ in UnownedJob.counting {} }
        var queue = JobQueue()
        defer { queue.deallocate() }
        var expected: [String] = []
        var got: [String] = []
        for (index, job) in jobs.enumerated() {
            queue.append(job)
            expected.append("\(job)")
            if index % 3 == 0 { got += ids(&queue, 1) }
        }
        #expect(queue.count == expected.count - got.count)
        got += ids(&queue, queue.count)
        #expect(got == expected)
        #expect(queue.isEmpty)
        #expect(queue.popFirst() == nil)
        JobCatcher.shared.run(jobs)
    }

    @Test("two jobs change places, counted from the first")
    func exchange() {
        let jobs = (0..<3).map { _ in UnownedJob.counting {} }
        var queue = JobQueue()
        defer { queue.deallocate() }
        queue.append(jobs[0])
        _ = queue.popFirst()
        for job in jobs { queue.append(job) }
        queue.swapAt(0, 2)
        #expect(ids(&queue, 3) == [jobs[2], jobs[1], jobs[0]].map { "\($0)" })
        JobCatcher.shared.run(jobs)
    }
}
