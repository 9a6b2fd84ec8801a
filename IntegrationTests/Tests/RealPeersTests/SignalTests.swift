import Endpoints
import Glibc
import RealPeers
import Testing

@Suite("Signals to the tool", .serialized, .timeLimit(.minutes(1)))
struct SignalTests {
    @Test("the first lets connections end and takes no new ones", arguments: [SIGTERM, SIGINT])
    func drain(signal: Int32) async throws {
        try await Peers.scope { peers in
            let tool = try peers.tool("echo", "--log-level", "info", "tcp:0:interface=127.0.0.1")
            let address = try await tool.listeningAddress()
            let client = try peers.start("socat", "-t", "30", "-", address.socat)
            client.write(Array("before\n".utf8))
            _ = try await client.output.bytes(7)
            tool.send(signal)
            try await tool.waitForWord("draining")

            client.write(Array("after\n".utf8))
            #expect(try await client.output.bytes(13) == Array("before\nafter\n".utf8))
            client.closeInput()
            #expect(try await client.waitForExit() == .status(0))
            #expect(try await tool.waitForExit() == .status(0))
            let late = try peers.start("socat", "-", address.socat)
            #expect(try await late.waitForExit() == .status(1))
            #expect(late.errors.text.contains("Connection refused"))
        }
    }

    @Test("connections that do not end are reset after the drain's time, and the status is 0")
    func bounded() async throws {
        try await Peers.scope { peers in
            let tool = try peers.tool("echo", "--drain", "0.2", "tcp:0:interface=127.0.0.1")
            let client = try clientFromString(try await tool.listeningAddress().client)
            try await client.withConnection { connection in
                try await connection.write("here\n".utf8)
                #expect(try await connection.read(exactly: 5) == Array("here\n".utf8))
                tool.send(SIGTERM)
                let error = await #expect(throws: EndpointError.self) {
                    try await connection.read(atMost: 1)
                }
                #expect(error?.code == .connectionReset)
            }
            #expect(try await tool.waitForExit(within: 10) == .status(0))
        }
    }

    @Test(
        "the second ends the tool at once, with 128 and its number",
        arguments: zip([SIGTERM, SIGINT], [Int32(143), 130])
    )
    func second(signal: Int32, status: Int32) async throws {
        try await Peers.scope { peers in
            let tool = try peers.tool("echo", "--log-level", "info", "tcp:0:interface=127.0.0.1")
            let address = try await tool.listeningAddress()
            let client = try peers.start("socat", "-", address.socat)
            client.write(Array("here\n".utf8))
            _ = try await client.output.bytes(5)
            tool.send(signal)
            try await tool.waitForWord("draining")
            tool.send(signal)
            #expect(try await tool.waitForExit(within: 10) == .status(status))
        }
    }

    @Test("a client that is told to end half-closes and reads the answer")
    func connect() async throws {
        try await Peers.scope { peers in
            let server = try peers.start(
                "socat",
                "-d",
                "-d",
                "-t",
                "30",
                "TCP4-LISTEN:0,bind=127.0.0.1",
                "SYSTEM:cat; echo bye"
            )
            let client = try peers.tool("connect", "tcp:127.0.0.1:\(try await server.socatPort())")
            client.write(Array("hello\n".utf8))
            _ = try await client.output.bytes(6)
            client.send(SIGTERM)
            #expect(try await client.waitForExit() == .status(0))
            #expect(client.output.text == "hello\nbye\n")
        }
    }
}

extension ChildProcess {
    /// Waits for a line of the log with a word in it.
    func waitForWord(_ word: String) async throws {
        let isThere: @Sendable (String) -> Bool? = { $0.contains(word) ? true : nil }
        _ = try await errors.firstLine(isThere)
    }
}
