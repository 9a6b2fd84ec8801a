import Endpoints
import Glibc
import RealPeers
import Testing

@Suite("A hundred mebibytes over TLS", .serialized, .timeLimit(.minutes(3)))
struct BulkTests {
    @Test("from the tool through the tool and back, then the end", arguments: Ours.allCases)
    func ourselves(ours: Ours) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let bulk = try await peers.bulk()
            let server = try peers.tool("echo", certificates.echo)
            let port = try await server.listeningAddress().port
            switch ours {
            case .library:
                try await certificates.endpoint(port).withConnection { connection in
                    async let sent: Void = {
                        try await connection.sendFile(bulk.path)
                        try await connection.closeWrite()
                    }()
                    #expect(try await bulk.expect(from: connection) == "")
                    try await sent
                }
            case .tool:
                let client = try peers.tool(
                    "connect",
                    "\(try certificates.endpoint(port))",
                    input: .file(bulk.path),
                    outputFile: peers.path("answer")
                )
                #expect(try await client.waitForExit(within: 120) == .status(0))
                try await peers.expectCopy("answer", of: bulk, digest: false)
            }
            server.send(SIGTERM)
            #expect(try await server.waitForExit() == .status(0))
        }
    }

    @Test("through two relays, which make TLS of plain bytes and plain bytes of TLS")
    func relays() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let bulk = try await peers.bulk()
            let server = try peers.tool("echo", "tcp:0:interface=127.0.0.1")
            let inner = try await server.listeningAddress().client
            let terminator = try peers.tool("relay", certificates.echo, inner)
            let port = try await terminator.listeningAddress().port
            let originator = try peers.tool(
                "relay",
                "tcp:0:interface=127.0.0.1",
                "\(try certificates.endpoint(port))"
            )
            let outer = try await originator.listeningAddress().client
            try await clientFromString(outer).withConnection { connection in
                async let sent: Void = {
                    try await connection.sendFile(bulk.path)
                    try await connection.closeWrite()
                }()
                #expect(try await bulk.expect(from: connection) == "")
                try await sent
            }
        }
    }

    @Test("OpenSSL's library at our server, and our client at it, with a word after the end")
    func openssl() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let bulk = try await peers.bulk()
            let pem = certificates.file("localhost.both")
            let server = try peers.python("openssl_peer.py", "server", pem)
            let port = try await server.listeningPort()
            try await certificates.endpoint(port).withConnection {
                try await bulk.exchange(over: $0)
            }
            _ = try await server.errors.firstLine { $0.hasPrefix("TLSv1.3 ") ? $0 : nil }

            try await withTLSServer(certificates.server(), echoThenBye) { port, _ in
                let client = try peers.start(
                    [
                        "\(Peers.folder)/.build-venv/bin/python",
                        "\(Peers.folder)/Peers/openssl_peer.py", "client", port,
                        certificates.authority, bulk.path,
                    ],
                    outputFile: peers.path("answer")
                )
                #expect(try await client.waitForExit(within: 120) == .status(0))
                let compared = try peers.start(
                    "sh",
                    "-c",
                    "{ cat \(bulk.path); echo bye; } | cmp - \(peers.path("answer"))"
                )
                #expect(try await compared.waitForExit() == .status(0))
            }
        }
    }

    @Test("openssl s_client to our server and back")
    func commands() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let bulk = try await peers.bulk()
            // s_client cannot end its direction: the server knows how much comes, and ends.
            let count = bulk.bytes.count
            let echoAll: Handler = { connection in
                var left = count
                var buffer = ReadBuffer()
                while left > 0, try await connection.read(into: &buffer) > 0 {
                    left -= buffer.count
                    try await connection.write(buffer)
                    buffer.removeAll()
                }
            }
            try await withTLSServer(certificates.server(), echoAll) { port, _ in
                let client = try peers.start(
                    [
                        "openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-quiet",
                        "-CAfile", certificates.authority, "-verify_return_error",
                    ],
                    input: .file(bulk.path),
                    outputFile: peers.path("answer")
                )
                #expect(try await client.waitForExit(within: 120) == .status(0))
                try await peers.expectCopy("answer", of: bulk, digest: false)
            }
        }
    }
}
