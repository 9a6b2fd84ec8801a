import Endpoints
import Foundation
import RealPeers
import Testing

/// Peers/tls_peer.go.
enum GoPeer {
    static let isInstalled = (ProcessInfo.processInfo.environment["PATH"] ?? "")
        .split(separator: ":").contains { access("\($0)/go", X_OK) == 0 }
}

extension Peers {
    /// Builds the peer in Go.
    func goPeer() async throws -> String {
        let program = path("tls_peer")
        let source = "\(Self.folder)/Peers/tls_peer.go"
        let build = try start("go", "build", "-o", program, source)
        #expect(try await build.waitForExit(within: 120) == .status(0))
        return program
    }
}

@Suite(
    "Go's crypto/tls",
    .serialized,
    .enabled(if: GoPeer.isInstalled),
    .timeLimit(.minutes(3))
)
struct GoTests {
    @Test(
        "its client agrees with our server, resumes, and reads on after its own end",
        arguments: [TLSVersion.tls12, .tls13]
    )
    func client(version: TLSVersion) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let program = try await peers.goPeer()
            let data = try peers.file("data", seededBytes(100_000))
            var server = certificates.strictServer()
            server.applicationProtocols = ["h2"]
            try await withTLSServer(server, echoThenBye) { port, listener in
                let arguments = [
                    program, "-connect", "127.0.0.1:\(port)", "-ca", certificates.authority,
                    "-alpn", "x,h2", "-version", version.rawValue, "-file", data,
                ]
                let client = try peers.start(arguments + certificates.goOptions("alice", times: 2))
                let answer = try await client.output.toEnd()
                #expect(try await client.waitForExit() == .status(0))
                let once = seededBytes(100_000) + Array("bye\n".utf8)
                expectSame(answer, once + once)
                #expect(
                    client.errors.lines
                        == [false, true].map { resumed in
                            "TLS \(version.rawValue) alpn=h2 name=localhost resumed=\(resumed) "
                                + "peer=CN=localhost"
                        }
                )

                let events = listener.events
                // Go's client does not show a certificate of an authority that was not named to it.
                for (name, words) in [("mallory", "shows no certificate"), ("old", "expired on")] {
                    let bad = try peers.start(arguments + certificates.goOptions(name, times: 1))
                    let failure = try await events.nextFailure()
                    #expect(failure.description.contains(words))
                    let (exit, text) = try await bad.toExit()
                    #expect(exit == .status(1))
                    #expect(text.contains("remote error: tls: "))
                }
            }
        }
    }

    @Test(
        "its server agrees with our client, says that it resumes, and goes on after our end",
        arguments: [TLSVersion.tls12, .tls13]
    )
    func server(version: TLSVersion) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let bulk = try await peers.bulk(mebibytes: 1)
            let server = try peers.start(
                [
                    try await peers.goPeer(), "-clients", certificates.authority, "-alpn", "h2",
                    "-version", version.rawValue,
                ] + certificates.goOptions("localhost", times: 1)
            )
            let port = try await server.listeningPort()
            var client = certificates.client("alice")
            client.applicationProtocols = ["x", "h2"]
            let endpoint = try certificates.endpoint(port, client)
            for round in 0..<2 {
                try await endpoint.withConnection { connection in
                    #expect(connection.tls?.isResumed == (round > 0))
                    #expect(connection.tls?.version == version)
                    #expect(connection.tls?.applicationProtocol == "h2")
                    try await bulk.exchange(over: connection)
                }
                _ = try await server.errors.firstLine { line in
                    line == "TLS \(version.rawValue) alpn=h2 name=localhost resumed=\(round > 0) "
                        + "peer=CN=alice" ? line : nil
                }
            }
            for name in ["mallory", "old"] {
                let stranger = try certificates.endpoint(port, certificates.client(name))
                let error = await #expect(throws: EndpointError.self) {
                    try await stranger.withConnection { _ = try await $0.read(atMost: 1) }
                }
                #expect(error?.code == .handshakeFailed)
                #expect(error?.description.contains("the peer refuses our certificate") == true)
                _ = try await server.errors.firstLine { $0.hasPrefix("refused") ? $0 : nil }
            }
        }
    }

    @Test("a hundred mebibytes each way, and a word after the end", arguments: Ours.allCases)
    func bulk(ours: Ours) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let program = try await peers.goPeer()
            let bulk = try await peers.bulk()
            let server = try peers.start([program] + certificates.goOptions("localhost", times: 1))
            let port = try await server.listeningPort()
            switch ours {
            case .library:
                try await certificates.endpoint(port).withConnection {
                    try await bulk.exchange(over: $0)
                }
            case .tool:
                let client = try peers.tool(
                    "connect",
                    "\(try certificates.endpoint(port))",
                    input: .file(bulk.path),
                    outputFile: peers.path("answer")
                )
                #expect(try await client.waitForExit(within: 120) == .status(0))
                try await peers.expectCopy("answer", of: bulk, digest: true)
            }

            try await ours.withEcho(at: certificates.echo, peers) { address in
                let client = try peers.start(
                    [
                        program, "-connect", "127.0.0.1:\(address.port)", "-ca",
                        certificates.authority, "-file", bulk.path,
                    ],
                    outputFile: peers.path("echo")
                )
                #expect(try await client.waitForExit(within: 120) == .status(0))
                try await peers.expectCopy("echo", of: bulk, digest: false)
            }
        }
    }
}

/// Sends back what comes, and a word after the peer's end.
let echoThenBye: Handler = { connection in
    try await echo(connection)
    try await connection.write("bye\n".utf8)
}

extension Certificates {
    /// The options of the peer in Go that name a certificate.
    func goOptions(_ name: String, times: Int) -> [String] {
        ["-cert", file("\(name).pem"), "-key", file("\(name).key"), "-times", "\(times)"]
    }

    /// The string of a server of ours.
    var echo: String {
        "tls:0:interface=127.0.0.1:privateKey=\(file("localhost.key")):"
            + "certKey=\(file("localhost.pem"))"
    }
}
