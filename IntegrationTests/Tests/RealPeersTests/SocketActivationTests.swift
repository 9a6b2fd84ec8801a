import Glibc
import RealPeers
import Testing

@Suite("systemd's socket activation", .serialized, .timeLimit(.minutes(1)))
struct SocketActivationTests {
    /// Starts the tool on sockets that systemd opens, and answers it; it runs once somebody connects.
    private func activate(
        _ sockets: [String],
        names: String? = nil,
        _ server: String,
        _ peers: Peers
    ) async throws -> ChildProcess {
        var command = ["systemd-socket-activate"]
        for socket in sockets { command += ["--listen", socket] }
        if let names { command += ["--fdname", names] }
        let process = try peers.start(command + [Peers.toolPath, "echo", server])
        let count = sockets.count
        _ = try await process.errors.firstLine { line in
            line.contains("as \(2 + count)") ? true : nil
        }
        return process
    }

    @Test(
        "the tool serves who connected before it ran, by index and by name",
        arguments: [
            "systemd:index=0", "systemd:domain=INET:index=0", "systemd:name=web",
            "systemd:domain=INET:name=web",
        ],
        Peer.allCases
    )
    func echo(server: String, peer: Peer) async throws {
        try await Peers.scope { peers in
            let port = try peers.freePort()
            let tool = try await activate(["127.0.0.1:\(port)"], names: "web", server, peers)
            let bytes = seededBytes(1_000_000)
            let data = try peers.file("data", bytes)
            let address = Address.tcp(host: "127.0.0.1", port: "\(port)")
            for _ in 0..<2 {
                expectSame(try await peer.exchange(address, sending: data, peers), bytes)
            }
            _ = try await tool.listeningAddress()
            tool.send(SIGTERM)
            #expect(try await tool.waitForExit() == .status(0))
        }
    }

    @Test("of several sockets each is found by its name, a UNIX socket's path is left alone")
    func several() async throws {
        try await Peers.scope { peers in
            let (port, path) = (try peers.freePort(), peers.path("activated.sock"))
            let data = try peers.file("data", Array("which one?\n".utf8))
            let tool = try await activate(
                ["127.0.0.1:\(port)", path],
                names: "web:local",
                "systemd:domain=UNIX:name=local",
                peers
            )
            let answer = try await Peer.socat.exchange(.unix(path: path), sending: data, peers)
            #expect(answer == Array("which one?\n".utf8))
            tool.send(SIGTERM)
            #expect(try await tool.waitForExit() == .status(0))
            #expect(access(path, F_OK) == 0)
        }
    }

    @Test(
        "what was not passed is an error that says what was",
        arguments: [
            ("systemd:index=1", "1 "), ("systemd:name=other", "web"),
            ("systemd:domain=INET6:index=0", "INET"),
        ]
    )
    func wrong(server: String, reason: String) async throws {
        try await Peers.scope { peers in
            let port = try peers.freePort()
            let tool = try await activate(["127.0.0.1:\(port)"], names: "web", server, peers)
            try peers.start("socat", "-u", "TCP4:127.0.0.1:\(port)", "-")
            #expect(try await tool.waitForExit() == .status(1))
            let line = try #require(tool.errors.lines.last)
            #expect(line.hasPrefix("endpoint: listen systemd:"), "\(line)")
            #expect(line.contains(reason), "\(line)")
        }
    }
}
