import Endpoints
import Glibc
import RealPeers
import Testing

@Suite("Lock files of UNIX sockets, with Twisted", .serialized, .timeLimit(.minutes(1)))
struct LockFileTests {
    @Test("our server leaves a path alone that Twisted holds")
    func theirsFirst() async throws {
        try await Peers.scope { peers in
            let path = peers.path("a.sock")
            let twisted = try peers.python("twisted_peer.py", "server", "unix:\(path)", "echo")
            _ = try await twisted.listeningPort()
            let tool = try peers.tool("echo", "unix:\(path)")
            #expect(try await tool.waitForExit() == .status(1))
            #expect(tool.errors.text.contains("holds the lock file"), "\(tool.errors.text)")
            let data = try peers.file("data", Array("still there\n".utf8))
            let answer = try await Peer.socat.exchange(.unix(path: path), sending: data, peers)
            #expect(answer == Array("still there\n".utf8))
        }
    }

    @Test("Twisted's server leaves a path alone that ours holds")
    func oursFirst() async throws {
        try await Peers.scope { peers in
            let path = peers.path("a.sock")
            let tool = try peers.tool("echo", "unix:\(path)")
            _ = try await tool.listeningAddress()
            let twisted = try peers.python("twisted_peer.py", "server", "unix:\(path)", "echo")
            #expect(try await twisted.waitForExit() == .status(1))
            #expect(twisted.errors.text.contains("lock"), "\(twisted.errors.text)")
            let data = try peers.file("data", Array("still there\n".utf8))
            let answer = try await Peer.socat.exchange(.unix(path: path), sending: data, peers)
            #expect(answer == Array("still there\n".utf8))
        }
    }

    @Test("what a killed Twisted left behind, our server takes over")
    func theirsDied() async throws {
        try await Peers.scope { peers in
            let path = peers.path("a.sock")
            let twisted = try peers.python("twisted_peer.py", "server", "unix:\(path)", "echo")
            _ = try await twisted.listeningPort()
            twisted.send(SIGKILL)
            #expect(try await twisted.waitForExit() == .signal(SIGKILL))
            let tool = try peers.tool("echo", "unix:\(path)")
            _ = try await tool.listeningAddress()
            let data = try peers.file("data", Array("taken over\n".utf8))
            let answer = try await Peer.socat.exchange(.unix(path: path), sending: data, peers)
            #expect(answer == Array("taken over\n".utf8))
        }
    }

    @Test("what our killed server left behind, Twisted takes over")
    func oursDied() async throws {
        try await Peers.scope { peers in
            let path = peers.path("a.sock")
            let tool = try peers.tool("echo", "unix:\(path)")
            _ = try await tool.listeningAddress()
            tool.send(SIGKILL)
            #expect(try await tool.waitForExit() == .signal(SIGKILL))
            let twisted = try peers.python("twisted_peer.py", "server", "unix:\(path)", "echo")
            _ = try await twisted.listeningPort()
            let data = try peers.file("data", Array("taken over\n".utf8))
            let answer = try await Peer.socat.exchange(.unix(path: path), sending: data, peers)
            #expect(answer == Array("taken over\n".utf8))
        }
    }

    @Test(
        "a client that checks the process connects while the other side's server lives, only then"
    )
    func checkPID() async throws {
        try await Peers.scope { peers in
            let data = try peers.file("data", Array("alive\n".utf8))
            let ours = peers.path("ours.sock")
            let tool = try peers.tool("echo", "unix:\(ours)")
            _ = try await tool.listeningAddress()
            let twisted = try peers.python(
                "twisted_peer.py",
                "client",
                "unix:\(ours):lockfile=1",
                data
            )
            #expect(try await twisted.output.toEnd() == Array("alive\n".utf8))

            let theirs = peers.path("theirs.sock")
            let server = try peers.python("twisted_peer.py", "server", "unix:\(theirs)", "echo")
            _ = try await server.listeningPort()
            let checking = try clientFromString("unix:\(theirs):checkPID=1")
            try await checking.withConnection { connection in
                try await connection.write("alive\n".utf8)
                #expect(try await connection.read(exactly: 6) == Array("alive\n".utf8))
            }
            server.send(SIGKILL)
            #expect(try await server.waitForExit() == .signal(SIGKILL))
            await #expect(throws: EndpointError.self) {
                try await checking.withConnection { _ in }
            }
        }
    }
}
