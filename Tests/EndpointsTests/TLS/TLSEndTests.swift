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

@Suite("The end of a TLS connection that nobody reads", .certificates, .timeLimit(.minutes(1)))
struct TLSEndTests {
    @Test("close_notify is noticed, and the other direction goes on", arguments: [true, false])
    func goodbye(waitsFirst: Bool) async throws {
        let (near, far) = try await SocketPair.make()
        let (client, server) = try await TLSTesting.upgrade(near, far)
        // Whatever follows the handshake is out of the way, and the client waits for readability.
        try await server.write("x".utf8)
        _ = try await client.read(exactly: 1)
        let ending = Task { try await client.ended() }
        if waitsFirst { while await client.endWaiterCount == 0 {} }
        try await server.closeWrite()
        guard case .peerClosed = try await ending.value else {
            Issue.record("another end")
            return
        }
        try await client.write("still here".utf8)
        #expect(try await server.read(exactly: 10) == Array("still here".utf8))
        #expect(try await client.read(atMost: 1) == nil)
        await client.close()
        await server.close()
    }

    @Test("what is unread stands before it, and is not lost")
    func unread() async throws {
        let (client, server) = try await TLSTesting.pair()
        let ending = Task { try await client.ended() }
        while await client.endWaiterCount == 0 {}
        try await server.write("last words".utf8)
        try await server.closeWrite()
        #expect(try await client.read(exactly: 10) == Array("last words".utf8))
        guard case .peerClosed = try await ending.value else {
            Issue.record("another end")
            return
        }
        #expect(try await client.read(atMost: 1) == nil)
        await client.close()
        await server.close()
    }

    @Test("bytes that come meanwhile are no end, and all there when somebody reads")
    func bytes() async throws {
        let (client, server) = try await TLSTesting.pair()
        let ending = Task { try await client.ended() }
        while await client.endWaiterCount == 0 {}
        let bytes = pattern(300_000)
        async let sent: Void = server.write(bytes)
        #expect(try await client.read(exactly: bytes.count) == bytes)
        try await sent
        #expect(await client.currentEnd == nil)
        try await server.closeWrite()
        guard case .peerClosed = try await ending.value else {
            Issue.record("another end")
            return
        }
        await client.close()
        await server.close()
    }
}

@Suite("The memory of idle TLS connections", .serialized, .certificates, .timeLimit(.minutes(1)))
struct TLSMemoryTests {
    @Test("buffers are given back when a busy connection falls silent")
    func idle() async throws {
        var pairs: [(client: Connection, server: Connection)] = []
        for _ in 0..<100 { pairs.append(try await TLSTesting.pair()) }
        // The tickets are out of the way.
        for pair in pairs {
            try await pair.server.write("x".utf8)
            _ = try await pair.client.read(exactly: 1)
        }
        let before = allocatedBytes()
        for pair in pairs {
            for _ in 0..<40 {
                try await pair.client.write("question".utf8)
                _ = try await pair.server.read(exactly: 8)
                try await pair.server.write("answer".utf8)
                _ = try await pair.client.read(exactly: 6)
            }
        }
        // A busy one keeps two buffers of 16 KiB at each end.
        while allocatedBytes() > before + pairs.count * 16 * 1024 {
            try await pairs[0].client.loop.sleep(for: .milliseconds(50))
        }
        for pair in pairs {
            try await pair.client.write("question".utf8)
            #expect(try await pair.server.read(exactly: 8) == Array("question".utf8))
            await pair.client.close()
            await pair.server.close()
        }
    }

    @Test("one that nobody reads or writes keeps no more for its tickets than they need")
    func untouched() async throws {
        let (client, server) = (try TLSTesting.client(), try TLSTesting.server())
        let first = try await TLSTesting.pair(client, server)
        let before = allocatedBytes()
        var pairs = [first]
        for _ in 0..<100 { pairs.append(try await TLSTesting.pair(client, server)) }
        // Both ends have some 40 KiB; a block of the loop's would be 64 KiB more.
        #expect(allocatedBytes() - before < 100 * 72 * 1024)
        for pair in pairs {
            pair.client.abort()
            pair.server.abort()
        }
    }
}

extension Connection {
    fileprivate var endWaiterCount: Int { extras?.endWaiters.count ?? 0 }
}
