import Endpoints
import RealPeers
import Testing

@Suite("The tool's connect", .serialized, .timeLimit(.minutes(1)))
struct ConnectTests {
    @Test("the end of our input is the end that the peer reads, and its answer comes after it")
    func halfClose() async throws {
        try await Peers.scope { peers in
            let data = try peers.file("data", tenMebibytes)
            let sum = try peers.start("sha256sum", data)
            let wanted = String(decoding: try await sum.output.bytes(64), as: UTF8.self)
            let servers: [(script: String, arguments: [String])] = [
                ("asyncio_peer.py", ["server", "tcp", "127.0.0.1", "digest"]),
                ("twisted_peer.py", ["server", "tcp:0:interface=127.0.0.1", "digest"]),
            ]
            for (script, arguments) in servers {
                let server = try peers.python(script, arguments)
                let port = try await server.listeningPort()
                let client = try peers.tool(
                    "connect",
                    "tcp:127.0.0.1:\(port)",
                    input: .file(data)
                )
                _ = try await client.output.toEnd()
                #expect(client.output.text == "\(wanted)\n")
                #expect(try await client.waitForExit() == .status(0))
            }
        }
    }

    @Test("an input that is empty at once still reads the answer")
    func devNull() async throws {
        try await Peers.scope { peers in
            let server = try peers.start(
                "socat",
                "-d",
                "-d",
                "TCP4-LISTEN:0,bind=127.0.0.1",
                "SYSTEM:cat; echo bye"
            )
            let port = try await server.socatPort()
            let client = try peers.tool(
                "connect",
                "tcp:127.0.0.1:\(port)",
                input: .file("/dev/null")
            )
            _ = try await client.output.toEnd()
            #expect(client.output.text == "bye\n")
            #expect(try await client.waitForExit() == .status(0))
        }
    }

    @Test("a conversation goes back and forth through pipes, and the output may be a file")
    func pipes() async throws {
        try await Peers.scope { peers in
            let server = try peers.tool("echo", "tcp:0:interface=127.0.0.1")
            let client = try peers.tool("connect", try await server.listeningAddress().client)
            client.write(Array("one\n".utf8))
            _ = try await client.output.bytes(4)
            client.write(Array("two\n".utf8))
            _ = try await client.output.bytes(8)
            client.closeInput()
            #expect(try await client.waitForExit() == .status(0))
            #expect(client.output.text == "one\ntwo\n")

            let data = try peers.file("data", tenMebibytes)
            let toFile = try peers.tool(
                "connect",
                try await server.listeningAddress().client,
                input: .file(data),
                outputFile: peers.path("answer")
            )
            #expect(try await toFile.waitForExit() == .status(0))
            expectSame(try peers.contents("answer"), tenMebibytes)
        }
    }

    // One way at a time: `nc -l` ends when its peer has, whatever it still has to send.
    @Test("nc takes ten mebibytes, and the end after them", arguments: Ours.allCases)
    func toNC(ours: Ours) async throws {
        try await Peers.scope { peers in
            let nc = try peers.listeningNC(input: .file("/dev/null"))
            let data = try peers.file("ours", tenMebibytes)
            let port = try await nc.portOfNC()
            let answer = try await ours.exchange("tcp:127.0.0.1:\(port)", sending: data, peers)
            #expect(answer == [])
            #expect(try await nc.waitForExit() == .status(0))
            expectSame(try peers.contents("taken"), tenMebibytes)
        }
    }

    @Test("nc gives ten mebibytes, and its end ends the tool though its input is open")
    func fromNC() async throws {
        try await Peers.scope { peers in
            let data = try peers.file("theirs", tenMebibytes)
            let nc = try peers.listeningNC(input: .file(data))
            let client = try peers.tool("connect", "tcp:127.0.0.1:\(try await nc.portOfNC())")
            expectSame(try await client.output.toEnd(), tenMebibytes)
            #expect(try await client.waitForExit() == .status(0))
            #expect(try await nc.waitForExit() == .status(0))
        }
    }

    @Test("bytes that were written before close arrive whole at each peer")
    func closeAfterWrite() async throws {
        try await Peers.scope { peers in
            for _ in 0..<20 {
                let server = try peers.listeningNC(input: .file("/dev/null"))
                let port = try await server.portOfNC()
                try await clientFromString("tcp:127.0.0.1:\(port)").withConnection { connection in
                    try await connection.write(tenMebibytes[..<1_000_000])
                }
                #expect(try await server.waitForExit() == .status(0))
                expectSame(try peers.contents("taken"), Array(tenMebibytes[..<1_000_000]))
            }
        }
    }
}

extension Peers {
    /// Starts an nc that takes one connection, and half-closes it after its input.
    func listeningNC(input: ChildProcess.Input) throws -> ChildProcess {
        let silent = if case .file("/dev/null") = input { true } else { false }
        return try start(
            ["nc", silent ? "-lv" : "-lvN", "127.0.0.1", "0"],
            input: input,
            outputFile: path("taken")
        )
    }
}

extension ChildProcess {
    /// Waits for nc's notice of the port that it listens on.
    func portOfNC() async throws -> String {
        try await errors.firstLine { line in
            line.firstMatch(of: /Listening on \S+ (\d+)/).map { String($0.1) }
        }
    }

    /// Waits for a Python peer's `listening PORT`.
    func listeningPort() async throws -> String {
        try await output.firstLine { line in
            line.hasPrefix("listening ") ? String(line.dropFirst("listening ".count)) : nil
        }
    }

    /// Waits for socat's notice of the port that it listens on.
    func socatPort() async throws -> String {
        try await errors.firstLine { line in
            line.firstMatch(of: /listening on AF=\d+ .*:(\d+)$/).map { String($0.1) }
        }
    }
}
