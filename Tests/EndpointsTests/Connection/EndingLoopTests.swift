// What waits on a loop that is shut down, whatever the transport: each call fails, none waits on.

import CEndpoints
import EventLoop
import Synchronization
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsNet

@Suite("Waits on a loop that is shut down", .timeLimit(.minutes(1)))
struct EndingLoopTests {
    enum Wait: CaseIterable { case read, write, ended }

    /// A connection on `loop` whose peer says nothing, takes nothing, and lives on.
    private func quietConnection(isMemory: Bool, on loop: EventLoop) throws -> (
        Connection, Connection
    ) {
        let others = EventLoopGroup.shared.next()
        if isMemory { return Connection.memoryPair(on: loop, others) }
        let (own, other) = try connectedDescriptors(.unix)
        return (
            Connection.over(OwnedDescriptor(own), on: loop),
            Connection.over(OwnedDescriptor(other), on: others)
        )
    }

    private func perform(_ wait: Wait, on connection: Connection) async throws {
        switch wait {
        case .read: _ = try await connection.read(exactly: 1)
        case .write: while true { try await connection.write([UInt8](repeating: 0, count: 65_536)) }
        case .ended:
            let end = try await connection.ended()
            guard case .closed = end else { return #expect(Bool(false), "\(end)") }
            throw connection.error(.closed, "wait")
        }
    }

    @Test(
        "a connection's calls fail as closed",
        arguments: [(false, false), (false, true), (true, false), (true, true)],
        Wait.allCases
    )
    func connection(isMemoryAndLate: (Bool, Bool), wait: Wait) async throws {
        let (isMemory, isLate) = isMemoryAndLate
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        let (connection, peer) = try quietConnection(isMemory: isMemory, on: loop)
        let prefersLoop = isLate ? nil : loop
        if isLate { await group.shutdown() }
        let task = Task(executorPreference: prefersLoop) {
            try await perform(wait, on: connection)
        }
        if !isLate {
            while await connection.perform({ $0.suspendedCalls.isEmpty }) { await Task.yield() }
            await group.shutdown()
        }
        let error = await #expect(throws: EndpointError.self) { try await task.value }
        #expect(error?.code == .closed)
        connection.abort()
        peer.abort()
    }

    @Test("an upgraded memory connection's read fails, too")
    func layered() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let (first, peer) = try quietConnection(isMemory: true, on: group.next())
        let task = Task { try await first.read(exactly: 1) }
        try await first.untilReading()
        task.cancel()
        _ = try? await task.value
        let second = try await first.perform { try $0.replaceTransport { $0 } }
        let reader = Task { try await second.read(exactly: 1) }
        try await second.untilReading()
        await group.shutdown()
        let error = await #expect(throws: EndpointError.self) { try await reader.value }
        #expect(error?.code == .closed)
        peer.abort()
    }

    private static func name() -> String { "ending-\(UInt64.random(in: 0 ... .max))" }

    private static func servers() -> [any ServerEndpoint] {
        [MemoryServerEndpoint(name: name()), TCPServerEndpoint(port: 0, interface: "127.0.0.1")]
    }

    @Test("a listener's iteration ends", arguments: [0, 1], [false, true])
    func accepting(index: Int, isLate: Bool) async throws {
        let group = EventLoopGroup(loopCount: 1)
        let listener = try await Self.servers()[index].listen(in: EndpointContext(loops: group))
        if isLate { await group.shutdown() }
        let task = Task { await listener.accept() == nil }
        if !isLate {
            while await listener.suspendedCalls.isEmpty { await Task.yield() }
            await group.shutdown()
        }
        #expect(await task.value)
        #expect(await listener.failure?.code == .closed)
    }

    @Test(
        "serve throws, and drain returns, with a handler that ends and with one that waits elsewhere",
        arguments: [0, 1]
    )
    func serving(index: Int) async throws {
        let group = EventLoopGroup(loopCount: 1)
        let listener = try await Self.servers()[index].listen(in: EndpointContext(loops: group))
        let client = try await listener.clientEndpoints[0].connect(
            in: EndpointContext(loops: .shared)
        )
        let started = Tally()
        let mayEnd = AsyncStream<Void>.makeStream()
        let serving = Task {
            try await listener.serve(maxConnections: 1) { connection in
                started.add()
                for await _ in mayEnd.stream {}
                _ = try await connection.read(exactly: 1)
            }
        }
        while started.value == 0 { await Task.yield() }
        // It waits for a place by now, or will find that there is none.
        await group.shutdown()
        let result = await listener.drain(within: .seconds(3600))
        #expect(result == DrainResult(finished: 0, aborted: 1))
        mayEnd.continuation.finish()
        let error = await #expect(throws: EndpointError.self) { try await serving.value }
        #expect(error?.code == .closed)
        client.abort()
    }

    @Test("a drain that waits for handlers returns when the loop is shut down")
    func draining() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let listener = try await Self.servers()[0].listen(in: EndpointContext(loops: group))
        let client = try await listener.clientEndpoints[0].connect(
            in: EndpointContext(loops: .shared)
        )
        let started = Tally()
        let mayEnd = AsyncStream<Void>.makeStream()
        let serving = Task {
            try await listener.serve { _ in
                started.add()
                for await _ in mayEnd.stream {}
            }
        }
        while started.value == 0 { await Task.yield() }
        let drain = Task { await listener.drain(within: .seconds(3600)) }
        while await listener.suspendedCalls.allSatisfy({ $0.operation != .drain }) {
            await Task.yield()
        }
        await group.shutdown()
        #expect(await drain.value == DrainResult(finished: 0, aborted: 1))
        mayEnd.continuation.finish()
        _ = await serving.result
        client.abort()
    }

    @Test("a time limit that was begun on the loop holds: it neither passes early nor never")
    func timeLimit() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        let started = Tally()
        func limited(_ limit: Duration) -> Task<Void, any Error> {
            Task(executorPreference: loop) {
                try await withTimeout(limit) {
                    started.add()
                    // Not on the loop, whose waits end with it.
                    try await Task.sleep(for: .seconds(3600))
                }
            }
        }
        let (long, short) = (limited(.seconds(3600)), limited(.milliseconds(300)))
        while started.value < 2 { await Task.yield() }
        await group.shutdown()
        await #expect(throws: TimeoutError.self) { try await short.value }
        let late = limited(.milliseconds(1))
        await #expect(throws: TimeoutError.self) { try await late.value }
        long.cancel()
        await #expect(throws: CancellationError.self) { try await long.value }
    }
}
