import CEndpoints
import EventLoop
import Testing

@testable import EndpointsCore

/// A connection on a hand-driven loop, and its peer's descriptor.
private struct Closing {
    let connection: Connection
    let descriptor: Int32
    let peer: Int32
    let driver: HandDriver

    static func with(
        _ kind: PairKind = .tcp,
        _ body: (Closing) async throws -> Void
    ) async throws {
        try await withHandDrivenLoop { driver, group in
            let (ours, theirs) = try connectedDescriptors(kind)
            let owned = OwnedDescriptor(theirs)
            defer { _ = owned.rawValue }
            let connection = Connection.over(OwnedDescriptor(ours), on: group.loops[0])
            try await body(
                Closing(connection: connection, descriptor: ours, peer: theirs, driver: driver)
            )
            connection.abort()
        }
    }

    var isClosed: Bool {
        get async { await connection.perform { $0.phase == .closed } }
    }

    /// Lets the loop look at its timers each second; answers after how many seconds it was closed.
    func secondsUntilClosed(
        atMost limit: Int = 120,
        eachSecond peerActs: (Int) async -> Void = { _ in }
    ) async -> Int {
        for second in 0..<limit {
            if await isClosed { return second }
            await peerActs(second)
            driver.advance(by: .seconds(1))
            // Two visits: the timers of the turn before have fired by the second.
            for _ in 0..<2 { await connection.perform { _ in } }
        }
        return limit
    }

    /// Reads what the peer has, up to `limit` bytes; -errno after a failure, 0 at the end.
    func take(_ limit: Int) -> Int {
        var block = [UInt8](repeating: 0, count: limit)
        return endpoints_recv(peer, &block, limit)
    }

    func send(_ count: Int) -> Int {
        let block = [UInt8](repeating: 0, count: count)
        return endpoints_send(peer, block, count)
    }
}

@Suite("Closing", .timeLimit(.minutes(1)))
struct ClosingTests {
    @Test(
        "a peer that stops reading holds a close behind a write for 30 seconds at most",
        .bug(id: 11),
        arguments: PairKind.allCases
    )
    func stuckWrite(kind: PairKind) async throws {
        try await Closing.with(kind) { closing in
            let connection = closing.connection
            let writer = Task { try await connection.write(numberedBytes(20_000_000)) }
            await closing.driver.whenWatching(closing.descriptor)
            let closer = Task { await connection.close() }
            while await connection.perform({ $0.phase == .open }) { await Task.yield() }
            #expect(await (30...32).contains(closing.secondsUntilClosed()))
            await closer.value
            #expect(await code { try await writer.value } == .closed)
        }
    }

    @Test("the idle limit of a connection, where it is shorter, limits its close", .bug(id: 11))
    func idleLimit() async throws {
        try await Closing.with { closing in
            let connection = closing.connection
            connection.idleTimeout = .seconds(10)
            let writer = Task { try await connection.write(numberedBytes(20_000_000)) }
            await closing.driver.whenWatching(closing.descriptor)
            let closer = Task { await connection.close() }
            while await connection.perform({ $0.phase == .open }) { await Task.yield() }
            #expect(await (10...12).contains(closing.secondsUntilClosed()))
            await closer.value
            _ = await writer.result
        }
    }

    @Test("a peer that reads a little every 20 seconds does not lose the close", .bug(id: 11))
    func slowReader() async throws {
        try await Closing.with { closing in
            let connection = closing.connection
            let writer = Task { try await connection.write(numberedBytes(20_000_000)) }
            await closing.driver.whenWatching(closing.descriptor)
            let closer = Task { await connection.close() }
            while await connection.perform({ $0.phase == .open }) { await Task.yield() }
            let seconds = await closing.secondsUntilClosed(atMost: 100) { second in
                guard second % 20 == 19 else { return }
                let held = await connection.perform { $0.base.unsentCount }
                // Until our kernel has heard of it.
                while await connection.perform({ $0.base.unsentCount }) == held {
                    if closing.take(100_000) <= 0 { await Task.yield() }
                }
            }
            #expect(seconds == 100)
            connection.abort()
            await closer.value
            _ = await writer.result
        }
    }

    @Test("a peer that neither sends, reads nor ends is waited for 5 seconds", .bug(id: 13))
    func quiet() async throws {
        try await Closing.with { closing in
            #expect(closing.send(1) == 1)
            let connection = closing.connection
            while await connection.perform({ $0.base.unreadCount }) == 0 { await Task.yield() }
            let closer = Task { await connection.close() }
            await closing.driver.whenWatching(closing.descriptor)
            #expect(await (5...7).contains(closing.secondsUntilClosed()))
            await closer.value
        }
    }

    @Test("a peer that never stops sending is cut off after 30 seconds", .bug(id: 13))
    func sendsForever() async throws {
        try await Closing.with { closing in
            #expect(closing.send(1) == 1)
            let connection = closing.connection
            while await connection.perform({ $0.base.unreadCount }) == 0 { await Task.yield() }
            let closer = Task { await connection.close() }
            await closing.driver.whenWatching(closing.descriptor)
            let seconds = await closing.secondsUntilClosed { _ in
                _ = closing.send(1000)
                while await connection.perform({ $0.base.unreadCount }) == 0 { await Task.yield() }
                closing.driver.report(.readable, of: closing.descriptor)
                while await connection.perform({ $0.base.unreadCount }) > 0 { await Task.yield() }
            }
            #expect((30...32).contains(seconds))
            await closer.value
        }
    }

    @Test(
        "an answer arrives before an upload that nobody reads, however large that is",
        .bug(id: 13),
        arguments: PairKind.allCases
    )
    func answerToUpload(kind: PairKind) async throws {
        try await withPair(kind) { server, client in
            let uploading = Task { try await client.write(numberedBytes(20_000_000)) }
            try await server.until { $0.base.unreadCount > 0 }
            try await server.write(numberedBytes(200_000))
            let closer = Task { await server.close() }
            // The client reads when it has sent everything, and not before.
            try await uploading.value
            #expect(try await client.read(exactly: 200_000) == numberedBytes(200_000))
            #expect(try await client.read(atMost: 1) == nil)
            await client.close()
            await closer.value
        }
    }

    @Test("a flood that a close drops lets the loop's others run")
    func dropsInTurns() async throws {
        try await withPair { server, client in
            let flooding = Task { while true { try await client.write(numberedBytes(1_000_000)) } }
            try await server.until { $0.base.unreadCount > 0 }
            let closer = Task { await server.close() }
            try await server.until { $0.phase == .closing && ($0.extras?.dropped ?? 0) > 0 }
            for _ in 0..<100 { try await server.loop.sleep(for: .milliseconds(1)) }
            server.abort()
            await closer.value
            #expect(await code { try await flooding.value } == .connectionReset)
        }
    }
}
