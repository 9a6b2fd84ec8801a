// Against the package `websockets`, which checks what it is sent, and against ourselves over other
// kinds.

import Endpoints
import RealPeers
import Testing
import WebSocketEndpoint

@Suite("WebSocket with real peers", .serialized, .timeLimit(.minutes(2)))
struct WebSocketPeerTests {
    private let bytes = seededBytes(600_000) + Array(repeating: UInt8(ascii: "a"), count: 100_000)

    @Test("our client's bytes come back from their server, in fragments, and both close with 1000")
    func theirServer() async throws {
        try await Peers.scope { peers in
            let server = try peers.python("websocket_peer.py", "server", "-")
            let port = try await server.said("listening")
            let client = try clientFromString(
                "websocket:path=/a?b:tcp:127.0.0.1:\(port)",
                in: registry
            )
            // Their server drops what comes behind a close: it is not to come before the answer.
            try await client.withConnection { connection in
                async let sent: Void = connection.write(bytes)
                #expect(try await connection.read(exactly: bytes.count) == bytes)
                try await sent
                try await connection.closeWrite()
                #expect(try await connection.read(atMost: 1) == nil)
            }
            #expect(try await server.said("closed") == "1000")
            #expect(server.output.lines.contains("pong"))
        }
    }

    @Test("their client's messages, text and fragments among them, come back from our server")
    func theirClient() async throws {
        try await Peers.scope { peers in
            let file = try peers.file("data", bytes)
            try await withEcho(at: "websocket:path=/chat:tcp:0:interface=127.0.0.1") { client in
                let inner = try #require(
                    (client as? WebSocketClientEndpoint)?.endpoint as? TCPClientEndpoint
                )
                let uri = "ws://127.0.0.1:\(inner.port)/chat"
                let python = try peers.python("websocket_peer.py", "client", uri, "-", file)
                #expect(try await python.said("same") == "1000")
                #expect(python.output.lines.contains("pong"))
                #expect(try await python.waitForExit() == .status(0))

                let wrong = try peers.python("websocket_peer.py", "client", "\(uri)s", "-", file)
                #expect(try await wrong.waitForExit() == .status(1))
                #expect(wrong.errors.text.contains("HTTP 404"), "\(wrong.errors.text)")
            }
        }
    }

    @Test("both over a UNIX socket")
    func unix() async throws {
        try await Peers.scope { peers in
            let file = try peers.file("data", bytes)
            let ours = peers.path("ours.sock")
            try await withEcho(at: "websocket:host=example.com:unix:\(ours)") { _ in
                let uri = "ws://example.com/"
                let python = try peers.python("websocket_peer.py", "client", uri, ours, file)
                #expect(try await python.said("same") == "1000")
                let other = "ws://example.org/"
                let wrong = try peers.python("websocket_peer.py", "client", other, ours, file)
                #expect(try await wrong.waitForExit() == .status(1))
                #expect(wrong.errors.text.contains("HTTP 421"), "\(wrong.errors.text)")
            }

            let theirs = peers.path("theirs.sock")
            let server = try peers.python("websocket_peer.py", "server", theirs)
            _ = try await server.said("listening")
            let client = try clientFromString("websocket:unix:\(theirs)", in: registry)
            try await client.withConnection { connection in
                try await connection.write("hello".utf8)
                #expect(try await connection.read(exactly: 5) == Array("hello".utf8))
            }
            #expect(try await server.said("closed") == "1000")
        }
    }

    @Test("both ends ours: half-close goes through, over TLS, a PROXY header, UNIX, memory")
    func nested() async throws {
        try await Peers.scope { peers in
            let ours = try await peers.makeCertificate()
            let (key, certificate) = (ours.key, ours.certificate)
            let tls = "tls:0:interface=127.0.0.1:privateKey=\(key):certificate=\(certificate)"
            let tlsClient: @Sendable (any ClientEndpoint) -> String = { client in
                "\(client)".replacing("tls:", with: "tls:trustRoots=\(certificate):")
            }
            for server in [
                "websocket:tcp:0:interface=127.0.0.1", "websocket:\(tls)",
                "websocket:haproxy:from=127.0.0.1:\(tls)", "haproxy:websocket:memory:nested",
                "websocket:path=/a:unix:\(peers.path("a.sock"))",
                "websocket:websocket:memory:twice",
            ] {
                try await withEcho(at: server) { client in
                    let endpoint = try clientFromString(tlsClient(client), in: registry)
                    let answer = try await exchange(endpoint, bytes)
                    #expect(answer == bytes, "\(server): \(answer.count) bytes")
                }
            }
        }
    }

    @Test("a connection tells the addresses and TLS of what carries it")
    func facts() async throws {
        try await Peers.scope { peers in
            let ours = try await peers.makeCertificate()
            let (key, certificate) = (ours.key, ours.certificate)
            let server = try serverFromString(
                "websocket:tls:0:interface=127.0.0.1:privateKey=\(key):certificate=\(certificate)",
                in: registry
            )
            let listener = try await server.listen()
            async let accepted = first(of: listener)
            let string = "\(try #require(listener.clientEndpoints.first))"
                .replacing("tls:", with: "tls:trustRoots=\(certificate):")
            let near = try await clientFromString(string, in: registry).connect()
            let far = try #require(await accepted)
            #expect(near.remoteAddress == listener.addresses[0])
            #expect(far.remoteAddress == near.localAddress)
            #expect(near.tls?.version == .tls13)
            #expect(far.tls?.version == .tls13)
            await near.close()
            await far.close()
            await listener.close()
        }
    }
}

private func first(of listener: Listener) async -> Connection? {
    var iterator = listener.makeAsyncIterator()
    return await iterator.next()
}
