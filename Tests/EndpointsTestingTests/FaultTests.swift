import Endpoints
import Testing

@testable import EndpointsTesting

@Suite("Faults", .timeLimit(.minutes(2)))
struct FaultTests {
    private func walk(_ faults: [FaultScript.Fault], _ bytes: [UInt8], seed: UInt64 = 1)
        -> [FaultWalk.Step]
    {
        var walk = FaultWalk(FaultScript(seed: seed, faults))
        return walk.begin() + walk.handle(bytes) + walk.handleEnd()
    }

    @Test("without faults bytes pass as they come")
    func none() {
        #expect(walk([], [1, 2, 3]) == [.pass([1, 2, 3]), .end])
    }

    @Test(
        "a fate comes after its number of bytes",
        arguments: [
            (.reset(after: 2), [.pass([1, 2]), .reset]),
            (.reset(after: 0), [.reset]),
            (.halfClose(after: 2), [.pass([1, 2]), .end]),
            (.blackhole(after: 1), [.pass([1]), .vanish]),
            (.reset(after: 9), [.pass([1, 2, 3]), .end]),
            (
                .stall(after: 1, for: .seconds(1)),
                [.pass([1]), .stall(.seconds(1)), .pass([2, 3]), .end]
            ),
            (.split(into: 2...2), [.pass([1, 2]), .pass([3]), .end]),
            (.coalesce(9...9), [.pass([1, 2, 3]), .end]),
            (.bandwidth(bytesPerSecond: 3), [.wait(.seconds(1)), .pass([1, 2, 3]), .end]),
        ] as [(FaultScript.Fault, [FaultWalk.Step])]
    )
    func fates(fault: FaultScript.Fault, steps: [FaultWalk.Step]) {
        let all = walk([fault], [1, 2, 3])
        #expect(Array(all.prefix(steps.count)) == steps)
    }

    @Test("bytes that are held wait for more")
    func coalesced() {
        var walk = FaultWalk(FaultScript([.coalesce(3...3)]))
        #expect(walk.handle([1]) == [])
        #expect(walk.handle([2]) == [])
        #expect(walk.handle([3, 4]) == [.pass([1, 2, 3, 4])])
    }

    @Test("the same seed makes the same run, and another another")
    func seeds() {
        let faults: [FaultScript.Fault] = [.split(into: 1...9), .corrupt(oneIn: 10)]
        let bytes = pattern(1000)
        #expect(walk(faults, bytes, seed: 1) == walk(faults, bytes, seed: 1))
        #expect(walk(faults, bytes, seed: 1) != walk(faults, bytes, seed: 2))
    }

    @Test("corruption flips bits, and neither adds nor drops any byte")
    func corrupted() async throws {
        let bytes = pattern(10_000)
        let script = FaultScript(seed: 3, [.corrupt(oneIn: 100)])
        let (a, b) = Connection.memoryPair(faults: ConnectionFaults(written: script))
        async let received = readAll(b)
        try await a.write(bytes)
        try await a.closeWrite()
        let different = zip(try await received, bytes).filter { $0 != $1 }.count
        #expect(try await received.count == bytes.count)
        #expect((10...1000).contains(different))
        await a.close()
        await b.close()
    }

    @Test("a reset reaches both ends after the bytes before it")
    func reset() async throws {
        let script = FaultScript([.reset(after: 5)])
        let (a, b) = Connection.memoryPair(faults: ConnectionFaults(written: script))
        async let end = outcome { try await readAll(b) }
        try? await a.write("hello, world".utf8)
        #expect(await end.code == .connectionReset)
        let own = await outcome { try await a.read(atMost: 1) }
        #expect(own.code == .connectionReset)
        await a.close()
        await b.close()
    }

    @Test("a half-close ends one direction only")
    func halfClose() async throws {
        let script = FaultScript([.halfClose(after: 5)])
        let (a, b) = Connection.memoryPair(faults: ConnectionFaults(written: script))
        try await a.write("hello, world".utf8)
        #expect(try await readAll(b) == Array("hello".utf8))
        try await b.write("still here".utf8)
        #expect(try await a.read(exactly: 10) == Array("still here".utf8))
        await b.close()
        await a.close()
    }

    @Test("after a black hole nothing comes, and no end")
    func blackhole() async throws {
        let script = FaultScript([.blackhole(after: 1)])
        let (a, b) = Connection.memoryPair(faults: ConnectionFaults(read: script))
        try await b.write("hello".utf8)
        try await b.closeWrite()
        #expect(try await a.read(exactly: 1) == Array("h".utf8))
        a.idleTimeout = .milliseconds(20)
        let end = await outcome { try await a.read(atMost: 1) }
        #expect(end.code == .timedOut)
        b.abort()
    }

    @Test("harmless faults lose nothing", arguments: 1...20)
    func harmless(seed: Int) async throws {
        let faults = ConnectionFaults(
            written: .harmless(seed: UInt64(seed)),
            read: .harmless(seed: UInt64(seed + 100))
        )
        let (a, b) = Connection.memoryPair(faults: faults)
        let (forward, backward) = (pattern(100_000, seed: 1), pattern(100_000, seed: 2))
        async let first: Void = a.write(forward)
        async let second: Void = b.write(backward)
        async let atB = b.read(exactly: forward.count)
        #expect(try await a.read(exactly: backward.count) == backward)
        #expect(try await atB == forward)
        try await first
        try await second
        await a.close()
        await b.close()
    }

    @Test("faults can be put before any endpoint, on either side")
    func endpoints() async throws {
        let faults = ConnectionFaults(
            written: FaultScript(seed: 1, [.split(into: 1...7)]),
            read: FaultScript(seed: 2, [.coalesce(1...100)])
        )
        let server = FaultyServerEndpoint(.tcp(port: 0, interface: "127.0.0.1"), faults)
        let listener = try await server.listen()
        async let served: Void = listener.serve { connection in
            for try await chunk in connection { try await connection.write(chunk) }
            try await connection.closeWrite()
        }
        let port = listener.addresses.first?.port ?? 0
        let client = FaultyClientEndpoint(.tcp(host: "127.0.0.1", port: port), faults)
        #expect(client.description == "faulty:[tcp:host=127.0.0.1:port=\(port)]")
        let bytes = pattern(50_000)
        try await client.withConnection { connection in
            async let echo = readAll(connection)
            try await connection.write(bytes)
            try await connection.closeWrite()
            #expect(try await echo == bytes)
        }
        await listener.drain(within: .seconds(5))
        try await served
    }

    @Test("a bandwidth is kept in however small pieces")
    func bandwidth() async throws {
        let script = FaultScript(
            seed: 1,
            [.split(into: 1...10), .bandwidth(bytesPerSecond: 1_000_000)]
        )
        let (a, b) = Connection.memoryPair(faults: ConnectionFaults(written: script))
        let bytes = pattern(60_000)
        let start = ContinuousClock.now
        async let sent: Void = a.write(bytes)
        #expect(try await b.read(exactly: bytes.count) == bytes)
        try await sent
        // 60 ms, and what the machine takes; a timer for each of the 11,000 pieces would be 11 s.
        #expect(start.duration(to: .now) < TestPatience.limit(.seconds(5)))
        await a.close()
        await b.close()
    }

    @Test("a clock that the test moves decides when a stall is over")
    func stalled() async throws {
        let clock = ManualClock()
        let script = FaultScript([.stall(after: 2, for: .seconds(3600))])
        let faults = ConnectionFaults(written: script)
        let (a, b) = Connection.memoryPair(faults: faults, clock: clock)
        try await a.write("hello".utf8)
        #expect(try await b.read(exactly: 2) == Array("he".utf8))
        await clock.whenSleeping(for: .seconds(3600))
        clock.advance(by: .seconds(3600))
        #expect(try await b.read(exactly: 3) == Array("llo".utf8))
        await a.close()
        await b.close()
    }

    @Test("a reset ends a stall", .leakFree)
    func resetWhileStalled() async throws {
        let script = FaultScript([.stall(after: 1, for: .seconds(3600))])
        let faults = ConnectionFaults(written: script)
        let (a, b) = Connection.memoryPair(faults: faults)
        try await a.write("hello".utf8)
        #expect(try await b.read(exactly: 1) == Array("h".utf8))
        a.abort()
        let end = await outcome { try await b.read(atMost: 1) }
        #expect(end.code == .connectionReset)
        await b.close()
    }

    /// A faulty connection over TCP, and the other end.
    private func faulty(_ faults: ConnectionFaults) async throws -> (Connection, Connection) {
        let listener = try await TCPServerEndpoint(port: 0, interface: "127.0.0.1").listen()
        let port = listener.addresses.first?.port ?? 0
        let near = try await TCPClientEndpoint(host: "127.0.0.1", port: port).connect()
        var iterator = listener.makeAsyncIterator()
        let far = await iterator.next()
        await listener.close()
        return (near.withFaults(faults), try #require(far))
    }

    private static let holes: [FaultScript.Fault] = [
        .blackhole(after: 0), .blackhole(after: 1), .stall(after: 1, for: .seconds(3600)),
    ]

    @Test("a close resets what is behind a hole or a stall", .leakFree, arguments: holes)
    func closedBehind(fault: FaultScript.Fault) async throws {
        let (a, b) = try await faulty(ConnectionFaults(written: FaultScript([fault])))
        try await a.write("hello".utf8)
        await a.close()
        let end = await outcome { try await readAll(b) }
        #expect(end.code == .connectionReset)
        await b.close()
    }

    @Test("a close does not wait for what is not read any more", .leakFree, arguments: holes)
    func closedBefore(fault: FaultScript.Fault) async throws {
        let (a, b) = try await faulty(ConnectionFaults(read: FaultScript([fault])))
        try await b.write("hello".utf8)
        try await a.write("bye".utf8)
        await a.close()
        #expect(try await b.read(exactly: 3) == Array("bye".utf8))
        await b.close()
    }

    @Test("a connection that is dropped ends what is behind a hole", .leakFree)
    func dropped() async throws {
        let script = FaultScript([.blackhole(after: 0)])
        let b = try await {
            let (a, b) = try await faulty(ConnectionFaults(written: script))
            try await a.write("hello".utf8)
            return b
        }()
        #expect(await outcome { try await readAll(b) }.code == .connectionReset)
        await b.close()
    }

    @Test("what was written before a close passes, however slowly", .leakFree)
    func slowlyClosed() async throws {
        let script = FaultScript([.split(into: 100...100), .bandwidth(bytesPerSecond: 50_000)])
        let (a, b) = try await faulty(ConnectionFaults(written: script))
        let bytes = pattern(100_000)
        try await a.write(bytes)
        await a.close()  // Returns after a second; the rest takes another.
        #expect(try await readAll(b) == bytes)
        await b.close()
    }

    @Test("when a close has returned, what was written has passed", .leakFree)
    func passed() async throws {
        let script = FaultScript([.delay(.milliseconds(20) ... .milliseconds(20))])
        let (a, b) = Connection.memoryPair(faults: ConnectionFaults(written: script))
        try await a.write("hello".utf8)
        await a.close()
        #expect(try await b.read(exactly: 5) == Array("hello".utf8))
        guard case .peerClosed = try await b.ended() else {
            Issue.record("the end has not passed")
            return
        }
        await b.close()
    }

    @Test("a half-close is no close: the answer comes", .leakFree)
    func halfClosed() async throws {
        let script = FaultScript([.stall(after: 0, for: .milliseconds(20))])
        let (a, b) = Connection.memoryPair(
            faults: ConnectionFaults(written: script, read: script)
        )
        try await a.write("question".utf8)
        try await a.closeWrite()
        #expect(try await readAll(b) == Array("question".utf8))
        try await b.write("answer".utf8)
        await b.close()
        #expect(try await readAll(a) == Array("answer".utf8))
        await a.close()
    }
}
