// Twisted's TLS. The strings are those that its own documentation has, and each is given to both sides:
// what works there works here.

import Endpoints
import RealPeers
import Testing

@Suite("Twisted's TLS", .serialized, .timeLimit(.minutes(1)))
struct TwistedTLSTests {
    private static func server(_ certificates: Certificates) -> String {
        "ssl:0:interface=127.0.0.1:privateKey=\(certificates.file("localhost.key")):"
            + "certKey=\(certificates.file("localhost.pem"))"
    }

    private static func client(
        _ certificates: Certificates,
        _ port: String,
        trusting roots: String = "roots"
    ) -> String {
        "tls:localhost:\(port):trustRoots=\(certificates.file(roots)):"
            + "endpoint=tcp\\:127.0.0.1\\:\(port)"
    }

    @Test("its client at our server, with the strings of each", arguments: Ours.allCases)
    func atOurs(ours: Ours) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let data = try peers.file("data", tenMebibytes)
            try await ours.withEcho(at: Self.server(certificates), peers) { address in
                let string = Self.client(certificates, address.port)
                let client = try peers.python("twisted_tls_peer.py", "client", string, data)
                expectSame(try await client.output.toEnd(), tenMebibytes)
                #expect(try await client.waitForExit() == .status(0))
            }
        }
    }

    @Test("our client at its server, with the strings of each", arguments: Ours.allCases)
    func atTheirs(ours: Ours) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let server = try peers.python(
                "twisted_tls_peer.py",
                "server",
                Self.server(certificates)
            )
            let string = Self.client(certificates, try await server.listeningPort())
            switch ours {
            case .library:
                try await clientFromString(string).withConnection { connection in
                    async let sent: Void = connection.write(tenMebibytes)
                    expectSame(
                        try await connection.read(exactly: tenMebibytes.count),
                        tenMebibytes
                    )
                    try await sent
                }
            case .tool:
                let client = try peers.tool("connect", string)
                client.write(tenMebibytes)
                expectSame(try await client.output.bytes(tenMebibytes.count), tenMebibytes)
                client.closeInput()
                #expect(try await client.waitForExit() == .status(0))
            }
            _ = try await server.errors.firstLine { line in
                line == "lost Connection was closed cleanly." ? line : nil
            }
        }
    }

    @Test("its client refuses a server that is another, and ours refuses its")
    func refusals() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            try await withTLSServer(certificates.server(), echo) { port, listener in
                let events = listener.events
                let string = Self.client(certificates, port, trusting: "other-roots")
                let data = try peers.file("data", [1])
                _ = try peers.python("twisted_tls_peer.py", "client", string, data)
                let failure = try await events.nextFailure()
                #expect(failure.code == .handshakeFailed)
                #expect(failure.description.contains("the peer does not trust the issuer"))
            }
            let string = Self.server(certificates).replacing("localhost", with: "one")
            let server = try peers.python("twisted_tls_peer.py", "server", string)
            let client = Self.client(certificates, try await server.listeningPort())
            let error = await #expect(throws: EndpointError.self) {
                try await clientFromString(client).connect()
            }
            #expect(error?.code == .certificateInvalid)
            #expect(error?.description.contains("\"one.example\", not \"localhost\"") == true)
        }
    }
}
