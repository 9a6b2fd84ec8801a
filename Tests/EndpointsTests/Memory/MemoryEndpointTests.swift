import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("memory endpoints", .timeLimit(.minutes(1)))
struct MemoryEndpointTests {
    @Test("bytes and ends go both ways, and backpressure holds the writer")
    func bothWays() async throws {
        let listener = try await serverFromString("memory:both-ways").listen()
        let serving = Task {
            try await listener.serve { connection in
                for try await chunk in connection { try await connection.write(chunk) }
            }
        }
        let client = try clientFromString("memory:both-ways")
        try await client.withConnection { connection in
            #expect("\(connection.remoteAddress)" == "memory:both-ways")
            let bytes = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            async let writing: Void = {
                try await connection.write(bytes)
                try await connection.closeWrite()
            }()
            var back: [UInt8] = []
            for try await chunk in connection { back += chunk }
            try await writing
            #expect(back == bytes)
        }
        await listener.close()
        try await serving.value
    }

    @Test("a name nobody listens by refuses")
    func refused() async throws {
        let client = try clientFromString("memory:nobody")
        do {
            _ = try await client.connect()
            Issue.record("connected")
        } catch let error as EndpointError {
            #expect(error.code == .connectionRefused)
            #expect("\(error)".hasPrefix("connect memory:name=nobody: nobody listens"))
        }
    }

    @Test("a name has one listener, and is free when that is closed")
    func inUse() async throws {
        let server = MemoryServerEndpoint.memory("in-use")
        let first = try await server.listen()
        do {
            _ = try await server.listen()
            Issue.record("listens twice")
        } catch let error as EndpointError {
            #expect(error.code == .addressInUse)
        }
        await first.close()
        let second = try await server.listen()
        #expect(second.clientEndpoints.map { "\($0)" } == ["memory:name=in-use"])
        await second.close()
    }

    @Test("who waits in the queue of a listener that closes reads the end")
    func closedQueue() async throws {
        let listener = try await MemoryServerEndpoint.memory("queue").listen()
        let connection = try await MemoryClientEndpoint.memory("queue").connect()
        await listener.close()
        #expect(try await connection.read(atMost: 1) == nil)
        await connection.close()
    }

    @Test("a full backlog makes a client wait, and a cancelled one leaves", .tags(.cancellation))
    func backlog() async throws {
        let listener = try await MemoryServerEndpoint(name: "full", backlog: 1).listen()
        let first = try await MemoryClientEndpoint.memory("full").connect()
        var hasty = MemoryClientEndpoint(name: "full")
        hasty.timeout = .milliseconds(5)
        do {
            _ = try await hasty.connect()
            Issue.record("connected")
        } catch let error as EndpointError {
            #expect(error.code == .timedOut)
        }
        let waiting = Task { try await MemoryClientEndpoint.memory("full").connect() }
        let cancelled = Task { try await MemoryClientEndpoint.memory("full").connect() }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        let accepted = try #require(await listener.accept())
        let second = try await waiting.value
        for connection in [first, second, accepted] { await connection.close() }
        await listener.close()
    }

    @Test("a listener that waits already is told of a client on another loop")
    func wake() async throws {
        let group = EventLoopGroup(loopCount: 2)
        let context = EndpointContext(loops: group)
        let listener = try await MemoryServerEndpoint.memory("wake").listen(in: context)
        for _ in 0..<200 {
            async let accepted = listener.accept()
            let client = try await MemoryClientEndpoint.memory("wake").connect(in: context)
            let server = try #require(await accepted)
            try await client.write([1])
            #expect(try await server.read(exactly: 1) == [1])
            server.abort()
            do {
                _ = try await client.read(atMost: 1)
                Issue.record("not reset")
            } catch let error as EndpointError {
                #expect(error.code == .connectionReset)
            }
            await client.close()
        }
        await listener.close()
        await group.shutdown()
    }

    @Test("a pair over a connection has its facts and its loop, and is no part of it")
    func pairOver() async throws {
        try await withPair { carrying, _ in
            let (a, b) = Connection.memoryPair(over: carrying)
            for end in [a, b] {
                #expect(end.localAddress == carrying.localAddress)
                #expect(end.remoteAddress == carrying.remoteAddress)
                #expect(end.loop === carrying.loop)
            }
            try await a.write([1])
            #expect(try await b.read(exactly: 1) == [1])
            await a.close()
            #expect(try await b.read(atMost: 1) == nil)
            await b.close()
            #expect(await carrying.currentEnd == nil)
        }
    }
    @Test(
        "an end that fails is read to its last byte, and then as what failed",
        arguments: [EndpointError.Code.truncated, EndpointError.Code("frameViolation")]
    )
    func failing(expected: EndpointError.Code) async throws {
        let (a, b) = Connection.memoryPair()
        try await a.write([1, 2, 3])
        a.abort(with: EndpointError(expected, operation: "read", endpoint: "frames", reason: "cut"))
        switch try await b.ended() {
        case .truncated: #expect(expected == .truncated)
        case .failed(let error): #expect(error.code == expected)
        case let end: Issue.record("\(end)")
        }
        #expect(try await b.read(exactly: 2) == [1, 2])
        #expect(try await b.read(atMost: 9) == [3])
        for _ in 0..<2 {
            let error = await #expect(throws: EndpointError.self) { try await b.read(atMost: 1) }
            #expect(error?.description.hasPrefix("read frames: cut") == true)
            #expect(error?.code == expected)
        }
        #expect(await code { try await b.write([1]) } == .connectionReset)
        #expect(await code { try await a.read(atMost: 1) } == .closed)
        await b.close()
    }

    @Test("who waits in a read is told at once what failed")
    func failingWhileRead() async throws {
        let (a, b) = Connection.memoryPair()
        let reader = Task { try await b.read(atMost: 1) }
        try await b.untilReading()
        a.abort(with: EndpointError(.truncated, operation: "read"))
        #expect(await code { try await reader.value } == .truncated)
        await b.close()
    }

    @Test("a stream that has ended stays whole, whatever fails after it")
    func failingBehindTheEnd() async throws {
        let (a, b) = Connection.memoryPair()
        try await a.write([1])
        try await a.closeWrite()
        a.abort(with: EndpointError(.truncated, operation: "read"))
        #expect(try await b.read(atMost: 9) == [1])
        #expect(try await b.read(atMost: 9) == nil)
        await b.close()
    }

    @Test("over a socket abort(with:) is abort")
    func failingSocket() async throws {
        try await withPair { a, b in
            a.abort(with: EndpointError(.truncated, operation: "read"))
            #expect(await code { try await b.read(atMost: 1) } == .connectionReset)
        }
    }
}
