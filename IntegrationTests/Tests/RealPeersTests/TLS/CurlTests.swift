import Endpoints
import RealPeers
import Testing

/// Answers a request of HTTP/1.1 with what the connection tells of itself.
let answerHTTP: Handler = { connection in
    for try await line in connection.lines() where line.isEmpty { break }
    let body = "\(connection.tls?.line ?? "none")\n"
    try await connection.write(
        """
        HTTP/1.1 200 OK\r
        Content-Length: \(body.utf8.count)\r
        Connection: close\r
        \r
        \(body)
        """.utf8
    )
}

@Suite("curl at our server", .serialized, .timeLimit(.minutes(1)))
struct CurlTests {
    private func curl(
        _ peers: Peers,
        _ certificates: Certificates,
        _ port: String,
        _ arguments: String...
    ) async throws -> (exit: Exit, text: String) {
        try await peers.start(
            [
                "curl", "--silent", "--show-error", "--noproxy", "*", "--cacert",
                certificates.authority, "--resolve", "localhost:\(port):127.0.0.1",
            ] + arguments + ["https://localhost:\(port)/"]
        ).toExit()
    }

    @Test("agrees on version and protocol, and gets its answer")
    func agreement() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            var server = certificates.server()
            server.applicationProtocols = ["http/1.1"]
            try await withTLSServer(server, answerHTTP) { port, _ in
                let facts = "alpn=http/1.1 name=localhost resumed=false peer=-\n"
                let newest = try await curl(peers, certificates, port)
                #expect(newest.exit == .status(0))
                #expect(newest.text == "TLS 1.3 \(facts)")
                let older = try await curl(peers, certificates, port, "--tls-max", "1.2")
                #expect(older.exit == .status(0))
                #expect(older.text == "TLS 1.2 \(facts)")
                let without = try await curl(peers, certificates, port, "--no-alpn")
                #expect(without.text.contains("alpn=- "))
                let stranger = try await curl(
                    peers,
                    certificates,
                    port,
                    "--cacert",
                    certificates.file("other-ca.pem")
                )
                #expect(stranger.exit == .status(60), "CURLE_PEER_FAILED_VERIFICATION")
            }
        }
    }

    @Test("is known by its certificate, and learns why it is refused")
    func clientCertificate() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            try await withTLSServer(certificates.strictServer(), answerHTTP) { port, listener in
                func curl(_ name: String) async throws -> (exit: Exit, text: String) {
                    try await self.curl(
                        peers,
                        certificates,
                        port,
                        "--cert",
                        certificates.file("\(name).pem"),
                        "--key",
                        certificates.file("\(name).key")
                    )
                }
                let alice = try await curl("alice")
                #expect(alice.exit == .status(0))
                #expect(alice.text.hasSuffix("peer=CN=alice\n"))
                #expect(try await curl("mallory").text.contains("alert unknown ca"))
                #expect(try await curl("old").text.contains("alert certificate expired"))
                let none = try await self.curl(peers, certificates, port)
                #expect(none.text.contains("alert certificate required"))
            }
        }
    }
}
