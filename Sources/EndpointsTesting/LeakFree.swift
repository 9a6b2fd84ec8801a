// A trait that looks at what a test leaves behind: descriptors of the process, what is alive on the
// shared loops (registered descriptors, timers), and tasks that it has started. All but the tasks
// belong to the whole process, so tests with the trait run one at a time; other tests that run beside
// them can still be mistaken for a leak, which is why what is new is looked at again and again until it
// is gone.

import EventLoop
import Testing

/// Records an issue for a test that leaves descriptors, timers, registrations or tasks behind.
///
/// See ``Testing/Trait/leakFree``.
public struct LeakFreeTrait: TestTrait, SuiteTrait, TestScoping {
    /// How long what a test has left may take to go away.
    var patience: Duration

    /// Holds for all tests of a suite.
    public var isRecursive: Bool { true }

    /// Runs one test, and looks before and after.
    public func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        guard testCase != nil else { return try await function() }
        await leakFreeTurn.take()
        defer { leakFreeTurn.pass() }
        let patience = TestPatience.limit(patience)
        let before = DescriptorCensus()
        let loopsBefore = await LoopCensus()
        let tasks = try await TaskMark.during { try await function() }.tasks
        for leak in await before.leaks(after: patience) {
            Issue.record("left open: descriptor \(leak)", sourceLocation: test.sourceLocation)
        }
        if let leak = await loopsBefore.leak(after: patience) {
            Issue.record("left on the loops: \(leak)", sourceLocation: test.sourceLocation)
        }
        if await tasks.remain(after: patience) {
            let left = "left behind: a task that has not ended"
            Issue.record("\(left)", sourceLocation: test.sourceLocation)
        }
    }
}

extension Trait where Self == LeakFreeTrait {
    /// The test leaves no descriptor open, nothing on the shared loops, and no task that it has started.
    ///
    /// What is left may take 5 s to go away, times ``TestPatience``. Tests with this trait run one at a
    /// time; for the rest of a parallel run give them a `.serialized` suite, or a target of their own.
    /// A `Task.detached` is not seen, nor is an end of a ``/Endpoints/Connection/memoryPair()`` that
    /// nothing waits for. A test that throws is not looked at.
    public static var leakFree: LeakFreeTrait { LeakFreeTrait(patience: .seconds(5)) }

    /// The test leaves nothing open and no task behind; see ``leakFree``.
    ///
    /// - Parameter patience: How long what is left may take to go away.
    /// - Returns: The trait.
    public static func leakFree(within patience: Duration) -> LeakFreeTrait {
        LeakFreeTrait(patience: patience)
    }
}

private let leakFreeTurn = TestTurn()

/// Tests one at a time, in the order in which they asked.
private final class TestTurn: Sendable {
    private struct State {
        var isTaken = false
        var line: [AsyncStream<Void>.Continuation] = []
    }
    private let state = Lock(State())

    func take() async {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        let mustWait = state.withLock { state in
            defer { state.isTaken = true }
            if state.isTaken { state.line.append(continuation) }
            return state.isTaken
        }
        // Not cancelled: whoever is in line gets its turn, and passes it on.
        if mustWait { await Task { for await _ in stream {} }.value }
    }

    func pass() {
        let next = state.withLock { state in
            if state.line.isEmpty {
                state.isTaken = false
                return nil as AsyncStream<Void>.Continuation?
            }
            return state.line.removeFirst()
        }
        next?.finish()
    }
}

/// What is alive on the shared loops.
struct LoopCensus: Sendable {
    private var sources = 0
    private var timers = 0

    /// Takes the census.
    init() async {
        for loop in EventLoopGroup.shared.loops {
            let census = await loop.census()
            sources += census.sources
            timers += census.timers
        }
    }

    /// What there is more of than then; `nil` as soon as there is not.
    func leak(after patience: Duration) async -> String? {
        let start = ContinuousClock.now
        while true {
            let now = await LoopCensus()
            if now.sources <= sources && now.timers <= timers { return nil }
            if start.duration(to: .now) > patience {
                return "\(max(now.sources - sources, 0)) descriptors, "
                    + "\(max(now.timers - timers, 0)) timers"
            }
            let loop = EventLoopGroup.shared.next()
            await Task { try? await loop.sleep(for: .milliseconds(5)) }.value
        }
    }
}
