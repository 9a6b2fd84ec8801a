// The seam below the loop: the production connection and listener on a readiness source, a clock and
// an order of jobs that are the test's. The descriptors are real; what the kernel knows of them does
// not reach the loop before the test tells it.

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

/// What happened, in order.
private final class Journal: Sendable {
    private let state = Lock<[String]>([])

    var entries: [String] { state.withLock { $0 } }
    func note(_ entry: String) { state.withLock { $0.append(entry) } }
}

/// A connection on the hand-driven loop, and the descriptor of its peer.
private struct Driven {
    let connection: Connection
    let descriptor: Int32
    let peer: OwnedPeer

    init(_ group: EventLoopGroup, _ kind: PairKind = .unix) throws {
        let (ours, theirs) = try connectedDescriptors(kind)
        peer = OwnedPeer(theirs)
        descriptor = ours
        connection = Connection.over(OwnedDescriptor(ours), on: group.loops[0])
    }

    /// Returns when nobody, or somebody, waits for bytes.
    func isReading(_ isReading: Bool = true) async {
        while await connection.perform({ $0.isReading != isReading }) {
            await Task.yield()
        }
    }
}

/// The peer's descriptor, written to and read from behind the loop's back.
private final class OwnedPeer: Sendable {
    private let descriptor: OwnedDescriptor

    init(_ descriptor: Int32) { self.descriptor = OwnedDescriptor(descriptor) }

    func write(_ bytes: [UInt8]) {
        #expect(endpoints_send(descriptor.rawValue, bytes, bytes.count) == bytes.count)
    }

    /// All that has come.
    func drain() -> Int {
        var block = [UInt8](repeating: 0, count: 65_536)
        var total = 0
        while case let count = endpoints_recv(descriptor.rawValue, &block, block.count), count > 0 {
            total += count
        }
        return total
    }
}

@Suite("A connection whose loop is driven by hand", .timeLimit(.minutes(1)))
struct DrivenByHandTests {
    @Test(
        "nothing is read before readiness is reported, and then all of it",
        arguments: PairKind.allCases
    )
    func reading(kind: PairKind) async throws {
        try await withHandDrivenLoop { driver, group in
            let driven = try Driven(group, kind)
            let connection = driven.connection
            let reader = Task { try await connection.read(exactly: 6) }
            await driver.whenWatching(driven.descriptor)
            driven.peer.write([1, 2, 3])
            for _ in 0..<10 { await connection.perform { _ in } }
            while endpoints_unread(driven.descriptor) < 3 { await Task.yield() }
            #expect(await connection.perform { $0.bytesRead } == 0)
            driver.report(.readable, of: driven.descriptor)
            while await connection.perform({ $0.bytesRead }) == 0 { await Task.yield() }
            await driven.isReading()
            // A report that is not true is looked into, and the wait goes on.
            driver.report(.readable, of: driven.descriptor)
            for _ in 0..<10 { await connection.perform { _ in } }
            await driven.isReading()
            #expect(await connection.perform { $0.bytesRead } == 3)
            driven.peer.write([4, 5, 6])
            while endpoints_unread(driven.descriptor) < 3 { await Task.yield() }
            driver.report(.readable, of: driven.descriptor)
            #expect(try await reader.value == [1, 2, 3, 4, 5, 6])
            await connection.close()
        }
    }

    @Test("a writer goes on when room is reported, and not before")
    func writing() async throws {
        try await withHandDrivenLoop { driver, group in
            let driven = try Driven(group)
            let connection = driven.connection
            let size = 3_000_000
            let writer = Task { try await connection.write(numberedBytes(size)) }
            await driver.whenWatching(driven.descriptor)
            let first = driven.peer.drain()
            #expect(first > 0 && first < size)
            for _ in 0..<10 { await connection.perform { _ in } }
            #expect(driven.peer.drain() == 0)
            var total = first
            while total < size {
                driver.report(.writable, of: driven.descriptor)
                for _ in 0..<3 { await connection.perform { _ in } }
                total += driven.peer.drain()
            }
            try await writer.value
            #expect(total == size)
            await connection.close()
        }
    }

    @Test(
        "readers wake in the order in which readiness is reported",
        arguments: [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]]
    )
    func order(order: [Int]) async throws {
        try await withHandDrivenLoop { driver, group in
            let all = try (0..<4).map { _ in try Driven(group) }
            let journal = Journal()
            let readers = all.enumerated().map { index, driven in
                Task(executorPreference: group.loops[0]) {
                    try await driven.connection.perform { connection in
                        _ = try await connection.read(exactly: 1)
                        journal.note("\(index)")
                    }
                }
            }
            for driven in all {
                await driver.whenWatching(driven.descriptor)
                await driven.isReading()
                driven.peer.write([7])
            }
            await driver.hold()
            driver.report(order.map { (all[$0].descriptor, .readable) })
            driver.release()
            for reader in readers { try await reader.value }
            #expect(journal.entries == order.map { "\($0)" })
            for driven in all { await driven.connection.close() }
        }
    }

    @Test("jobs run in the order that the source puts them in", arguments: [false, true])
    func jobs(reversed: Bool) async throws {
        try await withHandDrivenLoop { driver, group in
            let journal = Journal()
            await driver.hold()
            if reversed {
                driver.arrange { jobs in
                    for index in 0..<jobs.count / 2 { jobs.swapAt(index, jobs.count - 1 - index) }
                }
            }
            let tasks = (0..<5).map { index in
                Task(executorPreference: group.loops[0]) { journal.note("\(index)") }
            }
            driver.release()
            for task in tasks { await task.value }
            let expected = ["0", "1", "2", "3", "4"]
            #expect(journal.entries == (reversed ? expected.reversed() : expected))
        }
    }

    @Test("time limits pass when the source's clock says so: hours in no time")
    func timers() async throws {
        try await withHandDrivenLoop { driver, group in
            let loop = group.loops[0]
            let driven = try Driven(group)
            let connection = driven.connection
            connection.idleTimeout = .seconds(3600)
            let reader = Task { try await connection.read(atMost: 1) }
            await driven.isReading()
            let sleeper = Task { try await loop.sleep(for: .seconds(7200)) }
            let limited = Task(executorPreference: loop) {
                try await withTimeout(.seconds(1800)) { try await loop.sleep(for: .seconds(9000)) }
            }
            while await loop.census().timers < 4 { await Task.yield() }
            driver.advance(by: .seconds(1799))
            #expect(await loop.census().timers == 4)
            driver.advance(by: .seconds(1))
            await #expect(throws: TimeoutError.self) { try await limited.value }
            driver.advance(by: .seconds(1799))
            #expect(await connection.perform { $0.phase } == .open)
            driver.advance(by: .seconds(2))
            #expect(await code { _ = try await reader.value } == .timedOut)
            driver.advance(by: .seconds(3600))
            try await sleeper.value
            #expect(await loop.census().timers == 0)
        }
    }

    @Test("limits that have all passed when the loop looks end in the order of their lengths")
    func inOrder() async throws {
        try await withHandDrivenLoop { driver, group in
            let loop = group.loops[0]
            let journal = Journal()
            let sleepers = [30, 10, 20].map { seconds in
                Task(executorPreference: loop) {
                    try await loop.sleep(for: .seconds(seconds))
                    journal.note("\(seconds)")
                }
            }
            while await loop.census().timers < 3 { await Task.yield() }
            driver.advance(by: .seconds(60))
            for sleeper in sleepers { try await sleeper.value }
            #expect(journal.entries == ["10", "20", "30"])
        }
    }

    @Test("an event for a connection that was closed in the same turn reaches nobody")
    func staleEvent() async throws {
        try await withHandDrivenLoop { driver, group in
            let (first, second) = (try Driven(group), try Driven(group))
            let readers = [
                Task(executorPreference: group.loops[0]) {
                    try await first.connection.perform { connection in
                        _ = try await connection.read(exactly: 1)
                        second.connection.abort()
                    }
                },
                Task(executorPreference: group.loops[0]) {
                    _ = try await second.connection.read(exactly: 1)
                },
            ]
            for driven in [first, second] {
                await driven.isReading()
                driven.peer.write([1])
            }
            await driver.hold()
            driver.report([(first.descriptor, .readable), (second.descriptor, .readable)])
            driver.release()
            try await readers[0].value
            #expect(await code { try await readers[1].value } == .closed)
            #expect(await second.connection.perform { $0.bytesRead } == 0)
            await first.connection.close()
        }
    }

    @Test(
        "a byte and a cancellation in one turn: the first of the two wins, and the byte is not lost",
        .tags(.cancellation),
        arguments: [false, true]
    )
    func sameTurn(byteFirst: Bool) async throws {
        try await withHandDrivenLoop { driver, group in
            let (driven, other) = (try Driven(group), try Driven(group))
            let connection = driven.connection
            for byte in UInt8(0)..<50 {
                let isOnLoop = byte % 2 == 0
                let reader = Task(executorPreference: isOnLoop ? group.loops[0] : nil) {
                    try await connection.read(exactly: 1)
                }
                let canceller = Task(executorPreference: group.loops[0]) {
                    try await other.connection.perform { connection in
                        _ = try await connection.read(exactly: 1)
                        reader.cancel()
                    }
                }
                for one in [driven, other] {
                    await one.isReading()
                    one.peer.write([byte])
                }
                await driver.hold()
                let both = [driven, other].map { ($0.descriptor, Readiness.readable) }
                driver.report(byteFirst ? both : both.reversed())
                driver.release()
                try await canceller.value
                do {
                    #expect(try await reader.value == [byte])
                    #expect(byteFirst)
                } catch is CancellationError {
                    // A task that does not prefer the loop is queued once more when it is woken.
                    #expect(!byteFirst || !isOnLoop)
                    #expect(try await connection.read(exactly: 1) == [byte])
                }
            }
            await connection.close()
            await other.connection.close()
        }
    }

    @Test("a listener accepts when it is told that somebody waits, and is gone when it closes")
    func accepting() async throws {
        try await withHandDrivenLoop { driver, group in
            let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
            let listener = try await server.listen(in: EndpointContext(loops: group))
            let accepting = Task {
                var iterator = listener.makeAsyncIterator()
                return await iterator.next()
            }
            while driver.watched.isEmpty { await Task.yield() }
            let watched = driver.watched
            let client = try await TCPClientEndpoint(
                host: "127.0.0.1",
                port: listener.addresses.first?.port ?? 0
            ).connect()
            for _ in 0..<10 { #expect(await listener.waiterCount == 1) }
            driver.report(watched.map { ($0, .readable) })
            let connection = await accepting.value
            #expect(connection?.remoteAddress == client.localAddress)
            await connection?.close()
            await client.close()
            await listener.close()
        }
    }

    @Test("the loop's end wakes whoever waits, and gives the source's descriptors back")
    func shutdown() async throws {
        try await withHandDrivenLoop { driver, group in
            let driven = try Driven(group)
            let reader = Task { try await driven.connection.read(atMost: 1) }
            await driven.isReading()
            #expect(!driver.isClosed)
            await group.shutdown()
            #expect(await code { _ = try await reader.value } == .closed)
            #expect(driver.isClosed)
        }
    }
}
