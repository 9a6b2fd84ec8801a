// The same strings in both libraries, each way: a server's string listened on by Twisted and by us, and
// each client's string that reaches it connected by both.

import Endpoints
import Foundation
import RealPeers
import Testing

@Suite("Twisted's strings in both libraries", .serialized, .timeLimit(.minutes(3)))
struct TwistedStringTests {
    /// A server's string, and those by which clients reach it; `PORT`, `DIR`, `KEY`, `CERT` and `BOTH`
    /// are filled in.
    struct Strings: Sendable, CustomTestStringConvertible {
        var server: String
        var clients: [String]

        var testDescription: String { server }
    }

    static let strings = [
        Strings(
            server: "tcp:port=0:interface=127.0.0.1:backlog=10",
            clients: [
                "tcp:host=127.0.0.1:port=PORT:timeout=15",
                "tcp:127.0.0.1:PORT:bindAddress=127.0.0.1",
                "tcp:localhost:PORT",
            ]
        ),
        Strings(server: #"tcp6:0:interface=\:\:1"#, clients: [#"tcp:host=\:\:1:port=PORT"#]),
        Strings(
            server: "unix:DIR/a.sock:mode=600",
            clients: ["unix:path=DIR/a.sock", "unix:DIR/a.sock:lockfile=1:timeout=9"]
        ),
        Strings(server: #"unix:address=DIR/a\=b:lockfile=0"#, clients: [#"unix:DIR/a\=b"#]),
        Strings(
            server: "ssl:0:privateKey=KEY:certKey=CERT:interface=127.0.0.1",
            clients: [
                #"tls:localhost:PORT:trustRoots=DIR/trusted:endpoint=tcp\:127.0.0.1\:PORT"#,
                "ssl:host=127.0.0.1:port=PORT:caCertsDir=DIR/trusted:hostname=localhost",
            ]
        ),
        Strings(
            server: "ssl:port=0:privateKey=BOTH:interface=127.0.0.1:sslmethod=TLSv1_2_METHOD",
            clients: ["tls:localhost:PORT:trustRoots=DIR/trusted"]
        ),
        Strings(
            server: "tls:DIR/trusted:port=0:interface=127.0.0.1",
            clients: [
                "tls:host=localhost:port=PORT:timeout=20:trustRoots=DIR/trusted",
                #"tls:localhost:1:trustRoots=DIR/trusted:endpoint=tcp\:127.0.0.1\:PORT"#,
            ]
        ),
    ]

    @Test("bytes go between all four", arguments: strings)
    func allFour(strings: Strings) async throws {
        try await Peers.scope { peers in
            let certificate = try await peers.makeCertificate()
            try FileManager.default.createDirectory(
                atPath: peers.path("trusted"),
                withIntermediateDirectories: false
            )
            _ = try peers.file("trusted/both.pem", try peers.contents("localhost.both"))
            let bytes = seededBytes(300_000)
            let data = try peers.file("data", bytes)
            func filled(_ string: String, port: String = "") -> String {
                string.replacing("DIR", with: peers.directory)
                    .replacing("KEY", with: certificate.key)
                    .replacing("CERT", with: certificate.certificate)
                    .replacing("BOTH", with: certificate.combined)
                    .replacing("PORT", with: port)
            }
            func connectAll(to port: String) async throws {
                for client in strings.clients {
                    let string = filled(client, port: port)
                    let twisted = try peers.python("twisted_strings.py", "client", string, data)
                    let theirs = try await twisted.output.toEnd()
                    expectSame(theirs, bytes)
                    #expect(try await twisted.waitForExit() == .status(0))

                    try await clientFromString(string).withConnection { connection in
                        async let sent: Void = connection.write(bytes)
                        expectSame(try await connection.read(exactly: bytes.count), bytes)
                        try await sent
                    }
                }
            }

            let server = filled(strings.server)
            try await Ours.library.withEcho(at: server, peers) { address in
                if case .tcp(_, let port) = address {
                    try await connectAll(to: port)
                } else {
                    try await connectAll(to: "")
                }
            }
            let twisted = try peers.python("twisted_strings.py", "server", server)
            try await connectAll(to: try await twisted.listeningPort())
        }
    }

    @Test("Twisted behind a PROXY header sees the client that ours names", arguments: [1, 2])
    func haproxy(version: Int) async throws {
        try await Peers.scope { peers in
            let string = "haproxy:tcp:0:interface=127.0.0.1"
            let twisted = try peers.python("twisted_strings.py", "who", string)
            let port = try await twisted.listeningPort()
            let header = "version=\(version):source=[192.0.2.7:1234]:destination=[192.0.2.2:443]"
            let client = try clientFromString("haproxy:\(header):tcp:127.0.0.1:\(port)")
            try await client.withConnection { connection in
                try await connection.write("who am I?".utf8)
                var lines = connection.lines().makeAsyncIterator()
                #expect(try await lines.next() == "192.0.2.7 1234 192.0.2.2 443")
            }
        }
    }

    @Test(
        "both are started by systemd with the same string",
        arguments: ["systemd:domain=INET:index=0", "systemd:domain=INET:name=web"]
    )
    func systemd(string: String) async throws {
        try await Peers.scope { peers in
            let twisted = Peers.pythonCommand("twisted_strings.py") + ["server", string]
            for server in [twisted, [Peers.toolPath, "echo", string]] {
                let port = try peers.freePort()
                let listen = ["--listen", "127.0.0.1:\(port)", "--fdname", "web"]
                let activated = try peers.start(["systemd-socket-activate"] + listen + server)
                _ = try await activated.errors.firstLine { $0.contains("as 3") ? true : nil }
                try await clientFromString("tcp:127.0.0.1:\(port)").withConnection { connection in
                    try await connection.write("hello".utf8)
                    #expect(try await connection.read(exactly: 5) == Array("hello".utf8))
                }
            }
        }
    }
}
