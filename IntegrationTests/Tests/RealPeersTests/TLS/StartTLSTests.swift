// A connection that becomes TLS in the middle of a dialogue, as SMTP's STARTTLS (RFC 3207) does it,
// with OpenSSL and with Python's ssl module on the other side.

import Endpoints
import RealPeers
import Testing

@Suite("STARTTLS with real peers", .serialized, .timeLimit(.minutes(1)))
struct StartTLSTests {
    /// As much of SMTP as it takes to start TLS.
    private func mailServer(_ configuration: TLSServerConfiguration) -> Handler {
        { connection in
            try await connection.write("220 mail.example ESMTP\r\n".utf8)
            for try await line in connection.lines() {
                if line == "STARTTLS" { break }
                try await connection.write("250-mail.example\r\n250 STARTTLS\r\n".utf8)
            }
            try await connection.write("220 go ahead\r\n".utf8)
            try await tellFacts(try await connection.startTLS(.server(configuration)))
        }
    }

    @Test("openssl s_client upgrades its dialogue with our server")
    func server() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let endpoint = TCPServerEndpoint(port: 0, interface: "127.0.0.1")
            try await withServer(endpoint, mailServer(certificates.server())) { port, _ in
                let client = try peers.sClient(port, certificates, "-starttls", "smtp")
                #expect(try await client.ask("facts").hasSuffix("resumed=false peer=-"))
                #expect(client.output.text.contains("Verification: OK\n"))
                try await client.quit()
            }
        }
    }

    @Test("what is sent in the clear behind STARTTLS is refused, and never read")
    func injectionAtServer() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let (errors, told) = AsyncStream.makeStream(of: EndpointError.self)
            let serveMail = mailServer(certificates.server())
            let handler: Handler = { connection in
                do { try await serveMail(connection) } catch let error as EndpointError {
                    told.yield(error)
                }
            }
            let endpoint = TCPServerEndpoint(port: 0, interface: "127.0.0.1")
            try await withServer(endpoint, handler) { port, _ in
                let client = try peers.start("nc", "127.0.0.1", port)
                client.write(Array("STARTTLS\r\nfacts\r\n".utf8))
                var failures = errors.makeAsyncIterator()
                let error = try #require(await failures.next())
                #expect(error.code == .handshakeFailed)
                #expect(error.description.contains("bytes came in the clear"))
                client.closeInput()
                _ = try await client.output.toEnd()
                #expect(client.output.text.hasSuffix("\r\n220 go ahead\r\n"))
            }
        }
    }

    @Test("our client upgrades its dialogue with a server in Python")
    func client() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let server = try peers.python(
                "starttls_peer.py",
                certificates.file("localhost.both"),
                "honest"
            )
            let port = try await server.listeningPort()
            try await clientFromString("tcp:127.0.0.1:\(port)").withConnection { connection in
                let secure = try await startTLS(connection, certificates)
                #expect(secure.tls?.isPeerVerified == true)
                try await secure.write("NOOP\r\n".utf8)
                #expect(try await secure.read(exactly: 10) == Array("250 NOOP\r\n".utf8))
                #expect(try await secure.read(atMost: 1) == nil)
                await secure.close()
            }
            #expect(try await server.waitForExit() == .status(0))
        }
    }

    @Test("what a server sends in the clear behind its answer is refused")
    func injectionAtClient() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let server = try peers.python(
                "starttls_peer.py",
                certificates.file("localhost.both"),
                "injecting"
            )
            let port = try await server.listeningPort()
            let error = await #expect(throws: EndpointError.self) {
                try await clientFromString("tcp:127.0.0.1:\(port)").withConnection { connection in
                    _ = try await startTLS(connection, certificates)
                }
            }
            #expect(error?.code == .handshakeFailed)
            #expect(error?.description.contains("bytes came in the clear") == true)
            #expect(try await server.waitForExit() == .status(0))
        }
    }

    private func startTLS(
        _ connection: Connection,
        _ certificates: Certificates
    ) async throws -> Connection {
        try await connection.write("EHLO client.example\r\nSTARTTLS\r\n".utf8)
        for try await line in connection.lines() where line == "220 go ahead" { break }
        return try await connection.startTLS(
            .client(serverName: "localhost", certificates.client())
        )
    }
}
