import CEndpoints
import Dispatch
import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// Look-ups that end when the test says so.
private final class HeldLookUps: Sendable {
    private struct State {
        var asked: [SystemNameResolver.Question] = []
        var waiting: [(count: Int, CheckedContinuation<Void, Never>)] = []
    }
    private let state = Lock(State())
    private let semaphore = DispatchSemaphore(value: 0)

    var asked: [SystemNameResolver.Question] { state.withLock { $0.asked } }

    /// Called on a thread of the resolver's.
    func lookUp(_ question: SystemNameResolver.Question) throws -> [SocketAddress] {
        let waiting = state.withLock { state in
            state.asked.append(question)
            let count = state.asked.count
            defer { state.waiting.removeAll { $0.count <= count } }
            return state.waiting.filter { $0.count <= count }.map(\.1)
        }
        for continuation in waiting { continuation.resume() }
        semaphore.wait()
        if question.host.hasPrefix("missing") {
            throw EndpointError(.nameNotFound, operation: "resolve", endpoint: question.host)
        }
        return [.loopback(question.family, port: 0)]
    }

    func release(_ count: Int) { for _ in 0..<count { semaphore.signal() } }

    /// Waits until so many look-ups have begun.
    func began(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let hasBegun = state.withLock { state in
                if state.asked.count >= count { return true }
                state.waiting.append((count, continuation))
                return false
            }
            if hasBegun { continuation.resume() }
        }
    }
}

@Suite("System name resolver", .timeLimit(.minutes(1)))
struct SystemNameResolverTests {
    private func make(
        _ lookUps: HeldLookUps,
        maximum: Int = 2,
        queueLimit: Int = 2,
        idleTime: Duration = .seconds(10)
    ) -> (SystemNameResolver, BlockingThreads) {
        let threads = BlockingThreads(
            maximum: maximum,
            queueLimit: queueLimit,
            idleTime: idleTime
        )
        return (SystemNameResolver(threads: threads) { try lookUps.lookUp($0) }, threads)
    }

    @Test("equal questions are asked once, and each caller gets its own port")
    func coalescing() async throws {
        let lookUps = HeldLookUps()
        let (resolver, _) = make(lookUps)
        try await withThrowingTaskGroup(of: UInt16?.self) { group in
            for port in 1...50 as ClosedRange<UInt16> {
                group.addTask {
                    let host = port % 2 == 0 ? "example.com" : "EXAMPLE.com"
                    let found = try await resolver.addresses(of: host, port: port, family: .ipv4)
                    return found.first?.port
                }
            }
            await lookUps.began(1)
            // All of them join the one that runs, or come when it is over and are asked then.
            lookUps.release(50)
            var ports: Set<UInt16> = []
            for try await port in group { if let port { ports.insert(port) } }
            #expect(ports == Set(1...50))
        }
        #expect(lookUps.asked.count < 50)
    }

    @Test("the families are two questions")
    func families() async throws {
        let lookUps = HeldLookUps()
        let (resolver, _) = make(lookUps)
        lookUps.release(2)
        async let six = resolver.addresses(of: "example.com", port: 1, family: .ipv6)
        async let four = resolver.addresses(of: "example.com", port: 1, family: .ipv4)
        #expect(try await six.map(\.description) == ["[::1]:1"])
        #expect(try await four.map(\.description) == ["127.0.0.1:1"])
    }

    @Test("a cancelled caller leaves at once, and the others get the answer")
    func cancelled() async throws {
        let lookUps = HeldLookUps()
        let (resolver, _) = make(lookUps)
        let first = Task { try await resolver.addresses(of: "a.example", port: 1, family: .ipv4) }
        await lookUps.began(1)
        let second = Task { try await resolver.addresses(of: "a.example", port: 2, family: .ipv4) }
        first.cancel()
        await #expect(throws: CancellationError.self) { try await first.value }
        lookUps.release(2)
        #expect(try await second.value.map(\.description) == ["127.0.0.1:2"])
    }

    @Test("a caller that is cancelled before it asks does not ask")
    func cancelledBefore() async throws {
        let lookUps = HeldLookUps()
        let (resolver, _) = make(lookUps)
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await resolver.addresses(of: "a.example", port: 1, family: .ipv4)
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(lookUps.asked.isEmpty)
    }

    @Test("a look-up that nobody waits for any more is not begun")
    func abandoned() async throws {
        let lookUps = HeldLookUps()
        let (resolver, _) = make(lookUps, maximum: 1, queueLimit: 4)
        let first = Task { try await resolver.addresses(of: "a.example", port: 1, family: .ipv4) }
        await lookUps.began(1)
        let queued = Task { try await resolver.addresses(of: "b.example", port: 1, family: .ipv4) }
        queued.cancel()
        await #expect(throws: CancellationError.self) { try await queued.value }
        lookUps.release(2)
        _ = try await first.value
        let last = try await resolver.addresses(of: "c.example", port: 1, family: .ipv4)
        #expect(last.count == 1)
        #expect(lookUps.asked.map(\.host) == ["a.example", "c.example"])
    }

    @Test("threads and queue are bounded; one more is refused")
    func bounded() async throws {
        let lookUps = HeldLookUps()
        let (resolver, threads) = make(lookUps, maximum: 2, queueLimit: 2)
        let outcomes = await withTaskGroup(of: EndpointError?.self) { group in
            for index in 0..<5 {
                group.addTask {
                    do {
                        _ = try await resolver.addresses(
                            of: "h\(index).example",
                            port: 1,
                            family: .ipv4
                        )
                        return nil
                    } catch {
                        return error as? EndpointError
                    }
                }
            }
            // The first to end is the one that is refused: the others are held.
            var outcomes = [await group.next() ?? nil]
            #expect(threads.threadCount == 2)
            lookUps.release(4)
            for await outcome in group { outcomes.append(outcome) }
            return outcomes
        }
        let refusals = outcomes.compactMap { $0 }
        #expect(refusals.count == 1)
        #expect(refusals.first?.code == .outOfResources)
        #expect(refusals.first?.reason == "too many look-ups are waiting")
    }

    @Test("an idle thread ends, and the next look-up makes a new one")
    func idle() async throws {
        let lookUps = HeldLookUps()
        let (resolver, threads) = make(lookUps, idleTime: .milliseconds(1))
        lookUps.release(2)
        _ = try await resolver.addresses(of: "a.example", port: 1, family: .ipv4)
        while threads.threadCount > 0 { await Task.yield() }
        _ = try await resolver.addresses(of: "a.example", port: 1, family: .ipv4)
        #expect(lookUps.asked.count == 2)
    }

    @Test("an error reaches everybody who waits")
    func failures() async throws {
        let lookUps = HeldLookUps()
        let (resolver, _) = make(lookUps)
        lookUps.release(2)
        let error = await #expect(throws: EndpointError.self) {
            try await resolver.addresses(of: "missing.example", port: 1, family: .ipv4)
        }
        #expect(error?.code == .nameNotFound)
    }

    @Test("literals and localhost are answered without asking")
    func local() async throws {
        let lookUps = HeldLookUps()
        let (resolver, _) = make(lookUps)
        let cases: [(String, AddressFamily, [String])] = [
            ("192.0.2.1", .ipv4, ["192.0.2.1:7"]), ("192.0.2.1", .ipv6, []),
            ("::1", .ipv6, ["[::1]:7"]), ("localhost", .ipv4, ["127.0.0.1:7"]),
            ("a.LOCALHOST.", .ipv6, ["[::1]:7"]),
        ]
        for (host, family, expected) in cases {
            let found = try await resolver.addresses(of: host, port: 7, family: family)
            #expect(found.map(\.description) == expected)
        }
        let error = await #expect(throws: EndpointError.self) {
            try await resolver.addresses(of: "a\0b", port: 7, family: .ipv4)
        }
        #expect(error?.code == .invalidArgument)
        #expect(lookUps.asked.isEmpty)
    }

    @Test("the system does not know a name that cannot exist")
    func system() async throws {
        let resolver = SystemNameResolver(maximumThreads: 1)
        let error = await #expect(throws: EndpointError.self) {
            try await resolver.addresses(of: "no-such-host.invalid", port: 7, family: .ipv4)
        }
        // Without a network the server does not answer at all.
        #expect(error?.code == .nameNotFound || error?.code == .unavailable)
        #expect(error?.description.hasPrefix("resolve no-such-host.invalid: ") == true)
    }

    @Test("callers cancelled at random leave nothing behind", .tags(.cancellation))
    func cancelledAtRandom() async throws {
        let threads = BlockingThreads(maximum: 4, queueLimit: 64, idleTime: .milliseconds(1))
        let resolver = SystemNameResolver(threads: threads) { question in
            sched_yield()
            return [.loopback(question.family, port: 0)]
        }
        var answered = 0
        var cancelled = 0
        for round in 0..<200 {
            let tasks = (0..<10).map { index in
                Task {
                    try await resolver.addresses(
                        of: "h\((round + index) % 7).example",
                        port: 1,
                        family: .ipv4
                    )
                }
            }
            if round % 3 == 0 { await Task.yield() }
            for task in tasks where round % 2 == 0 { task.cancel() }
            for task in tasks {
                switch await task.result {
                case .success: answered += 1
                case .failure(let error):
                    #expect(error is CancellationError)
                    cancelled += 1
                }
            }
        }
        #expect(answered >= 1000)
        #expect(answered + cancelled == 2000)
        while threads.threadCount > 0 { await Task.yield() }
    }
}
