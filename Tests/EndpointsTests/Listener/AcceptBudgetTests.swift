import CEndpoints
import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// Clients that all wait at once.
private final class Crowd: ConnectionSource {
    private let count: Int
    let taken = Tally()
    let address = SocketAddress.loopback(.ipv4, port: 1)
    let queue = AcceptQueue()

    init(_ count: Int) { self.count = count }

    func close(on loop: EventLoop) {}

    func next() -> Accepted {
        guard taken.value < count else {
            queue.mayHaveMore = false
            return .wouldBlock
        }
        taken.add()
        let facts = ConnectionFacts(localAddress: address, remoteAddress: address)
        return .connection(MemoryTransport.makePair().0, facts)
    }
}

@Suite("Accepting in slices", .timeLimit(.minutes(1)))
struct AcceptBudgetTests {
    private static let count = 1000
    /// What a job's budget allows.
    ///
    /// Two jobs of an acceptor may come between two of another task.
    private static let most = WorkBudget.piece / Listener.acceptCost

    /// How many clients at most were taken between two turns of a task that only lets others run.
    private func mostAtOnce(
        _ crowd: Crowd,
        _ context: (EventLoopGroup) -> EndpointContext = {
            EndpointContext(loops: $0, logger: quietLogger)
        },
        _ body: @escaping @Sendable (Listener) async throws -> Void
    ) async throws -> Int {
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.loops[0]
        let listener = Listener.make([crowd], endpoint: "test", in: context(group))
        let begun = Tally()
        let taken = crowd.taken
        let watcher = Task(executorPreference: loop) {
            let gate = Gate(loop, of: nil)
            var (seen, most) = (0, 0)
            while seen < Self.count {
                await gate.pass()
                begun.add()
                let now = taken.value
                most = max(most, now - seen)
                seen = now
            }
            return most
        }
        try await begun.reaches(1)
        let working = Task(executorPreference: loop) { try await body(listener) }
        let most = await watcher.value
        await listener.close()
        try await working.value
        await group.shutdown()
        return most
    }

    @Test("a crowd is accepted in slices, between which others run")
    func accepted() async throws {
        let most = try await mostAtOnce(Crowd(Self.count)) { listener in
            try await listener.serve { _ in }
        }
        #expect(most <= 2 * Self.most)
    }

    @Test("a crowd is iterated in slices, between which others run")
    func iterated() async throws {
        let most = try await mostAtOnce(Crowd(Self.count)) { listener in
            for await connection in listener { connection.abort() }
        }
        #expect(most <= 2 * Self.most)
    }

    @Test("a crowd that its source's rate refuses is refused in slices", arguments: [false, true])
    func refused(hasStage: Bool) async throws {
        let handled = Tally()
        let context: (EventLoopGroup) -> EndpointContext = { group in
            let plain = EndpointContext(loops: group, logger: quietLogger)
            return hasStage ? plain.preparing("test") { $0 } : plain
        }
        let most = try await mostAtOnce(Crowd(Self.count), context) { listener in
            let rate = SourceRate(perSecond: 0.001, burst: 3)
            try await listener.serve(limits: ServeLimits(sourceRate: rate)) { _ in handled.add() }
        }
        #expect(most <= 2 * Self.most)
        #expect(handled.value <= 3)
    }
}
