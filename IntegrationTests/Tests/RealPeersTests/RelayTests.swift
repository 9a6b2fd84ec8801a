import Endpoints
import Glibc
import RealPeers
import Testing

@Suite("Relays between peers", .serialized, .timeLimit(.minutes(1)))
struct RelayTests {
    @Test("socat sends through the tool to nc, which takes all and the end")
    func socatToNC() async throws {
        try await Peers.scope { peers in
            let nc = try peers.listeningNC(input: .file("/dev/null"))
            let path = peers.path("relay.sock")
            let relay = try peers.tool(
                "relay",
                "unix:\(path)",
                "tcp:127.0.0.1:\(try await nc.portOfNC())"
            )
            let address = try await relay.listeningAddress()
            let data = try peers.file("data", tenMebibytes)
            let answer = try await Peer.socat.exchange(address, sending: data, peers)
            #expect(answer == [])
            #expect(try await nc.waitForExit() == .status(0))
            expectSame(try peers.contents("taken"), tenMebibytes)

            relay.send(SIGTERM)
            #expect(try await relay.waitForExit() == .status(0))
            #expect(access(path, F_OK) != 0)
        }
    }

    @Test("nc's bytes and its end come through the tool to socat")
    func ncToSocat() async throws {
        try await Peers.scope { peers in
            let data = try peers.file("data", tenMebibytes)
            let nc = try peers.listeningNC(input: .file(data))
            let relay = try peers.tool(
                "relay",
                "tcp:0:interface=127.0.0.1",
                "tcp:127.0.0.1:\(try await nc.portOfNC())"
            )
            let address = try await relay.listeningAddress()
            let socat = try peers.start("socat", "-t", "30", "-", address.socat)
            _ = try await socat.output.bytes(tenMebibytes.count)
            socat.closeInput()
            expectSame(try await socat.output.toEnd(), tenMebibytes)
            #expect(try await socat.waitForExit() == .status(0))
            #expect(try await nc.waitForExit() == .status(0))
        }
    }

    @Test("a half-close goes through: the answer that waits for it comes back")
    func halfClose() async throws {
        try await Peers.scope { peers in
            let data = try peers.file("data", tenMebibytes)
            let sum = try peers.start("sha256sum", data)
            let wanted = String(decoding: try await sum.output.bytes(64), as: UTF8.self)
            let server = try peers.python(
                "twisted_peer.py",
                "server",
                "tcp:0:interface=127.0.0.1",
                "digest"
            )
            let relay = try peers.tool(
                "relay",
                "tcp:0:interface=127.0.0.1",
                "tcp:127.0.0.1:\(try await server.listeningPort())"
            )
            let address = try await relay.listeningAddress()
            for peer in Peer.allCases {
                let answer = try await peer.exchange(address, sending: data, peers)
                #expect(String(decoding: answer, as: UTF8.self) == "\(wanted)\n")
            }
        }
    }

    @Test("an upstream that refuses closes the client at once, and the next one gets through")
    func refused() async throws {
        try await Peers.scope { peers in
            let path = peers.path("upstream.sock")
            let relay = try peers.tool(
                "relay",
                "--json",
                "tcp:0:interface=127.0.0.1",
                "unix:\(path)"
            )
            let port = try await relay.output.firstLine { line in
                line.firstMatch(of: /"address":"127.0.0.1:(\d+)"/).map { String($0.1) }
            }
            let client = try peers.start("socat", "-", "TCP4:127.0.0.1:\(port)")
            _ = try await client.output.toEnd(within: 10)
            #expect(client.output.text == "")
            let hasFailed: @Sendable (String) -> Bool? = { line in
                line.contains(#""event":"failed""#) && line.contains("ENOENT") ? true : nil
            }
            _ = try await relay.output.firstLine(hasFailed)

            let upstream = try peers.start(
                "socat",
                "-d",
                "-d",
                "-t",
                "30",
                "UNIX-LISTEN:\(path),fork",
                "EXEC:cat"
            )
            let isListening: @Sendable (String) -> Bool? = { $0.contains("listening") ? true : nil }
            _ = try await upstream.errors.firstLine(isListening)
            let data = try peers.file("data", Array("now it works\n".utf8))
            let address = Address.tcp(host: "127.0.0.1", port: port)
            let answer = try await Peer.socat.exchange(address, sending: data, peers)
            #expect(answer == Array("now it works\n".utf8))
        }
    }
}
