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

private struct Oops: Error {}

extension Listening {
    fileprivate var client: TCPClientEndpoint {
        TCPClientEndpoint(host: "127.0.0.1", port: listener.addresses.first?.port ?? 0)
    }

    fileprivate func accept() async throws -> Connection {
        var iterator = listener.makeAsyncIterator()
        return try #require(await iterator.next())
    }
}

@Suite("withConnection", .timeLimit(.minutes(1)))
struct WithConnectionTests {
    @Test("gives what its body gives, and closes behind it")
    func returns() async throws {
        try await withListener { listening in
            var kept: Connection?
            let answer = try await listening.client.withConnection(in: listening.context) {
                kept = $0
                try await $0.write("hello".utf8)
                return 42
            }
            #expect(answer == 42)
            #expect(await kept?.perform { $0.phase } == .closed)
            let peer = try await listening.accept()
            #expect(try await peer.read(exactly: 5) == Array("hello".utf8))
            #expect(try await peer.read(atMost: 1) == nil)
            await peer.close()
        }
    }

    @Test("its body runs where its caller runs")
    func place() async throws {
        try await withListener { listening in
            let loop = listening.context.loops.loops[1]
            let isHome = try await Task(executorPreference: loop) {
                try await listening.client.withConnection(in: listening.context) { connection in
                    loop.isCurrent && connection.loop === loop
                }
            }.value
            #expect(isHome)
            try await listening.accept().close()
        }
    }

    @Test("an error of its body comes out, and the peer reads an end: a write before it was whole")
    func throwing() async throws {
        try await withListener { listening in
            await #expect(throws: Oops.self) {
                try await listening.client.withConnection(in: listening.context) { connection in
                    try await connection.write(numberedBytes(50_000))
                    throw Oops()
                }
            }
            let peer = try await listening.accept()
            #expect(try await peer.read(exactly: 50_000) == numberedBytes(50_000))
            #expect(try await peer.read(atMost: 1) == nil)
            await peer.close()
        }
    }

    @Test("cancelled in its body it still says goodbye", .tags(.cancellation))
    func cancelled() async throws {
        try await withListener { listening in
            let client = Task {
                try await listening.client.withConnection(in: listening.context) { connection in
                    try await connection.write("hello".utf8)
                    _ = try await connection.read(atMost: 1)
                }
            }
            let peer = try await listening.accept()
            #expect(try await peer.read(exactly: 5) == Array("hello".utf8))
            client.cancel()
            #expect(await isCancelled { try await client.value })
            #expect(try await peer.read(atMost: 1) == nil)
            await peer.close()
        }
    }

    @Test("cancelled in the middle of a write it resets", .tags(.cancellation))
    func cancelledWriting() async throws {
        try await withListener { listening in
            let connected = Lock<Connection?>(nil)
            let client = Task {
                try await listening.client.withConnection(in: listening.context) { connection in
                    connected.withLock { $0 = connection }
                    try await connection.write([UInt8](repeating: 1, count: 100_000_000))
                }
            }
            let peer = try await listening.accept()
            while connected.withLock({ $0 }) == nil { await Task.yield() }
            try await connected.withLock { $0 }?.untilWriting()
            client.cancel()
            #expect(await isCancelled { try await client.value })
            #expect(await code { for try await _ in peer {} } == .connectionReset)
            peer.abort()
        }
    }

    @Test("its body may close or abort by itself", arguments: [false, true])
    func closedInside(byAbort: Bool) async throws {
        try await withListener { listening in
            try await listening.client.withConnection(in: listening.context) { connection in
                if byAbort { connection.abort() } else { await connection.close() }
            }
            let peer = try await listening.accept()
            let end = await code { while try await peer.read(atMost: 1) != nil {} }
            #expect(end == (byAbort ? .connectionReset : nil))
            peer.abort()
        }
    }

    @Test(
        "without a connection its body does not run",
        .tags(.cancellation),
        arguments: [false, true]
    )
    func unconnected(isCancelledBefore: Bool) async throws {
        try await withListener { listening in
            if !isCancelledBefore { await listening.listener.close() }
            let begun = Tally()
            let client = Task {
                if isCancelledBefore { withUnsafeCurrentTask { $0?.cancel() } }
                try await listening.client.withConnection(in: listening.context) { _ in
                    begun.add()
                }
            }
            do {
                try await client.value
                Issue.record("there is no connection")
            } catch is CancellationError {
                #expect(isCancelledBefore)
            } catch {
                #expect(!isCancelledBefore)
                #expect((error as? EndpointError)?.code == .connectionRefused)
            }
            #expect(begun.value == 0)
        }
    }
}

@Suite("Facts of a connection", .timeLimit(.minutes(1)))
struct FactsTests {
    @Test(
        "both ends of a UNIX socket know whose process the other is, by path and abstract name",
        arguments: [false, true]
    )
    func credentials(isAbstract: Bool) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.sock")
        let name = isAbstract ? "\0\(path)" : path
        let server: some ServerEndpoint = .unix(path: name)
        let listener = try await server.listen()
        let client = try await UNIXClientEndpoint(path: name).connect()
        var iterator = listener.makeAsyncIterator()
        let accepted = try #require(await iterator.next())
        let own = PeerCredentials(pid: getpid(), uid: geteuid(), gid: getegid())
        #expect(client.peerCredentials == own)
        #expect(accepted.peerCredentials == own)
        #expect(client.remoteAddress == listener.addresses.first)
        #expect(accepted.localAddress == listener.addresses.first)
        await client.close()
        await accepted.close()
        // Facts are fixed: they outlive the descriptor.
        #expect(accepted.peerCredentials == own)
        await listener.close()
    }

    @Test("over TCP nobody knows")
    func noCredentials() async throws {
        try await withListener { listening in
            let client = try await listening.connect()
            let accepted = try await listening.accept()
            #expect(client.peerCredentials == nil)
            #expect(accepted.peerCredentials == nil)
            await client.close()
            await accepted.close()
        }
    }

    @Test(
        "the timeline has the phases that happened, one after the other",
        arguments: [false, true]
    )
    func timeline(isNamed: Bool) async throws {
        try await withListener { listening in
            var context = listening.context
            context.resolver = TableResolver(table: ["a.example": [.loopback(.ipv4, port: 0)]])
            let port = listening.listener.addresses.first?.port ?? 0
            let host = isNamed ? "a.example" : "127.0.0.1"
            let before = ContinuousClock.now
            let client = try await TCPClientEndpoint(host: host, port: port).connect(in: context)
            let after = ContinuousClock.now
            let timeline = client.timeline
            let connect = try #require(timeline.connect)
            #expect(connect.start >= before)
            #expect(connect.start + connect.duration <= after)
            #expect(connect.duration >= .zero)
            #expect((timeline.resolve != nil) == isNamed)
            if let resolve = timeline.resolve {
                #expect(resolve.start >= before)
                #expect(resolve.start + resolve.duration <= connect.start)
            }
            #expect(timeline.proxy == nil && timeline.handshake == nil)
            // Accepting takes no phase of its own.
            let accepted = try await listening.accept()
            #expect(accepted.timeline == ConnectionTimeline())
            await client.close()
            await accepted.close()
        }
    }
}
