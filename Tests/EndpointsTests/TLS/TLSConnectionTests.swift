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

@Suite("A TLS connection", .certificates, .timeLimit(.minutes(1)))
struct TLSConnectionTests {
    @Test("both ends know what was agreed on")
    func facts() async throws {
        let (client, server) = try await TLSTesting.pair()
        let facts = try #require(client.tls)
        #expect(facts.version == .tls13)
        #expect(facts.cipher.hasPrefix("TLS_"))
        #expect(facts.group != nil)
        #expect(facts.serverName == "localhost")
        #expect(facts.isPeerVerified && !facts.isResumed)
        #expect(facts.peerCertificates.first?.names == ["localhost", "127.0.0.1", "::1"])
        #expect(facts.verifiedChain.map(\.subject) == ["CN=localhost", "CN=ca"])
        #expect(facts.peerCertificates.first?.fingerprint.utf8.count == 64)
        #expect(server.tls?.serverName == "localhost")
        #expect(server.tls?.isPeerVerified == false)
        #expect(client.timeline.handshake.map { $0.duration > .zero } == true)
        await client.close()
        await server.close()
    }

    @Test(
        "bytes arrive as they were sent, in both directions",
        arguments: [1, 64, 16_384, 100_000]
    )
    func echo(count: Int) async throws {
        let (client, server) = try await TLSTesting.pair()
        let bytes = pattern(count)
        async let echoed: Void = {
            let came = try await server.read(exactly: count)
            try await server.write(came)
        }()
        try await client.write(bytes)
        #expect(try await client.read(exactly: count) == bytes)
        try await echoed
        await client.close()
        await server.close()
    }

    @Test("an end is an end, and the other direction goes on")
    func halfClose() async throws {
        let (client, server) = try await TLSTesting.pair()
        try await client.write("question".utf8)
        try await client.closeWrite()
        #expect(try await server.read(exactly: 8) == Array("question".utf8))
        #expect(try await server.read(atMost: 1) == nil)
        try await server.write("answer".utf8)
        try await server.closeWrite()
        #expect(try await client.read(exactly: 6) == Array("answer".utf8))
        #expect(try await client.read(atMost: 1) == nil)
        await client.close()
        await server.close()
    }

    @Test("an end of the transport without close_notify is no end")
    func truncation() async throws {
        let (near, far) = try await SocketPair.make()
        let (client, server) = try await TLSTesting.upgrade(near, far)
        try await server.write("half".utf8)
        #expect(try await client.read(exactly: 4) == Array("half".utf8))
        server.base.shutDownWrite()
        let error = await TLSTesting.failure { _ = try await client.read(atMost: 1) }
        #expect(error?.code == .truncated)
        #expect(error.says("without close_notify"))
        guard case .truncated = try await client.ended() else {
            Issue.record("not told as truncated")
            return
        }
        client.abort()
        server.abort()
    }

    @Test("TLS in TLS in TLS carries bytes")
    func nested() async throws {
        var (client, server) = try await TLSTesting.pair()
        for _ in 0..<2 { (client, server) = try await TLSTesting.upgrade(client, server) }
        let bytes = pattern(200_000)
        async let sent: Void = client.write(bytes)
        #expect(try await server.read(exactly: bytes.count) == bytes)
        try await sent
        await client.close()
        await server.close()
    }
}

/// Two connections over a socket pair.
enum SocketPair {
    static func make() async throws -> (Connection, Connection) {
        let listener = try await TCPServerEndpoint(port: 0, interface: "127.0.0.1").listen()
        let port = try #require(listener.addresses.first?.port)
        async let accepted = listener.makeAsyncIterator().first()
        let near = try await TCPClientEndpoint(host: "127.0.0.1", port: port).connect()
        let far = try #require(await accepted)
        await listener.close()
        return (near, far)
    }
}

extension Listener.Iterator {
    fileprivate func first() async -> Connection? {
        var copy = self
        return await copy.next()
    }
}
