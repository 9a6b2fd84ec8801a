import Endpoints
import Glibc
import Testing

@Suite("endpoint echo", .timeLimit(.minutes(1)))
struct EchoCommandTests {
    @Test(
        "each address is printed as a string with its real port, and can be connected to then",
        arguments: [
            ["tcp:0:interface=127.0.0.1"],
            ["tcp:0:interface=127.0.0.1", "tcp:0:interface=127.0.0.1"],
        ]
    )
    func listening(servers: [String]) async throws {
        let tool = try ToolProcess(["echo"] + servers)
        for _ in servers {
            let client = try await tool.listening()
            try await client.withConnection { connection in
                try await connection.write("hello".utf8)
                try await connection.closeWrite()
                #expect(try await connection.read(exactly: 5) == Array("hello".utf8))
                #expect(try await connection.read(atMost: 1) == nil)
            }
        }
        tool.signal(SIGTERM)
        let end = try await tool.finish()
        #expect(end == ("", "", 0))
    }

    @Test("a UNIX socket is printed, and gone with the tool")
    func unix() async throws {
        let path = "/tmp/endpoint-tool-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        let tool = try ToolProcess(["echo", "unix:\(path)"])
        #expect(try await tool.line() == "listening unix:address=\(path)")
        let connection = try await clientFromString("unix:\(path)").connect()
        await connection.close()
        tool.signal(SIGINT)
        #expect(await tool.status == 0)
        #expect(access(path, F_OK) == -1)
    }

    @Test("events are one JSON object a line, with what passed and how it ended")
    func json() async throws {
        let tool = try ToolProcess(["echo", "--json", "tcp:0:interface=127.0.0.1"])
        let client = try await tool.listening()
        let local = try await client.withConnection { connection in
            try await connection.write("hello".utf8)
            _ = try await connection.read(exactly: 5)
            return connection.localAddress
        }
        #expect(try await tool.line() == #"{"event":"accepted","peer":"\#(local)"}"#)
        let closed = try await tool.line()
        let expected = #"{"event":"closed","peer":"\#(local)","received":5,"sent":5,"seconds":0."#
        #expect(closed.hasPrefix(expected))
        #expect(closed.hasSuffix(#","end":"peerClosed"}"#))
        tool.signal(SIGTERM)
        #expect(await tool.status == 0)
    }

    @Test("a signal lets an open connection finish, and refuses new ones")
    func drain() async throws {
        let tool = try ToolProcess(["echo", "tcp:0:interface=127.0.0.1"])
        let client = try await tool.listening()
        let connection = try await client.connect()
        try await connection.write("a".utf8)
        _ = try await connection.read(exactly: 1)
        tool.signal(SIGTERM)
        while let other = try? await client.connect() { other.abort() }
        try await connection.write("b".utf8)
        #expect(try await connection.read(exactly: 1) == [UInt8(ascii: "b")])
        await connection.close()
        #expect(await tool.status == 0)
    }

    @Test("what has not finished within the drain time is reset, and that is a success")
    func boundedDrain() async throws {
        let tool = try ToolProcess(["echo", "--drain", "0.05", "tcp:0:interface=127.0.0.1"])
        let connection = try await tool.listening().connect()
        try await connection.write("a".utf8)
        _ = try await connection.read(exactly: 1)
        tool.signal(SIGINT)
        #expect(await tool.status == 0)
        guard case .failed(let error) = try await connection.ended() else {
            Issue.record("not reset")
            return
        }
        #expect(error.code == .connectionReset)
        await connection.close()
    }

    @Test("a second signal exits at once with 128 and its number", arguments: [SIGINT, SIGTERM])
    func secondSignal(number: Int32) async throws {
        let tool = try ToolProcess(["echo", "tcp:0:interface=127.0.0.1"])
        let client = try await tool.listening()
        let connection = try await client.connect()
        try await connection.write("a".utf8)
        _ = try await connection.read(exactly: 1)
        tool.signal(SIGTERM)
        while let other = try? await client.connect() { other.abort() }
        tool.signal(number)
        #expect(await tool.status == 128 + number)
        connection.abort()
    }

    @Test("an address in use is one line on stderr, and status 1")
    func addressInUse() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = try #require(listener.addresses.first?.port)
        let server = "tcp:\(port):interface=127.0.0.1"
        let end = try await ToolProcess(["echo", "tcp:0:interface=127.0.0.1", server]).finish()
        #expect(end.output == "")
        #expect(end.status == 1)
        let canonical = "tcp:port=\(port):interface=127.0.0.1"
        let expected = "endpoint: listen \(canonical): address already in use (EADDRINUSE)\n"
        #expect(end.errors == expected)
        await listener.close()
    }

    @Test("as stdio: it echoes its input, tells of it on stderr, and ends with it")
    func stdio() async throws {
        let tool = try ToolProcess(["echo", "--json", "stdio:"])
        try await tool.stream.write("hello".utf8)
        try await tool.stream.closeWrite()
        let end = try await tool.finish()
        #expect(end.output == "hello")
        #expect(end.status == 0)
        let events = end.errors.split(separator: "\n")
        #expect(events.first == #"{"event":"listening","endpoint":"stdio:","address":"stdio:"}"#)
        #expect(events.last?.contains(#""received":5,"sent":5"#) == true)
    }

    @Test(
        "as stdio, what its one connection failed of is one line on stderr, and status 1",
        arguments: [
            (["echo", "haproxy:from=unix:stdio:"], "may send a header"),
            (["relay", "stdio:", "process:/no/such/program"], "no such file or directory"),
            (["relay", "stdio:", "process:sh:[-c 'cat >/dev/null; exit 3']"], "with status 3"),
        ]
    )
    func failedStdio(command: [String], reason: String) async throws {
        let tool = try ToolProcess(command, input: .file("/proc/self/exe"))
        let end = try await tool.finish()
        #expect(end.output == "")
        #expect(end.status == 1)
        let lines = end.errors.split(separator: "\n").filter { $0.hasPrefix("endpoint: ") }
        #expect(lines.count == 1)
        #expect(lines.first?.contains(reason) == true, "\(end.errors)")

        let json = try ToolProcess(command + ["--json"], input: .file("/proc/self/exe"))
        let told = try await json.finish()
        #expect(told.status == 1)
        let events = told.errors.split(separator: "\n")
        #expect(events.allSatisfy { $0.hasPrefix("{") })
        #expect(events.last?.hasPrefix(#"{"event":"failed","#) == true)
    }

    @Test("as stdio, an output that takes no more is one line on stderr, and status 1")
    func fullOutput() async throws {
        let tool = try ToolProcess(
            ["echo", "stdio:"],
            input: .file("/etc/passwd"),
            output: "/dev/full"
        )
        let end = try await tool.finish()
        #expect(end.status == 1)
        #expect(end.errors.contains("endpoint: write stdio:"))
        #expect(end.errors.contains("(ENOSPC)"))
    }

    @Test("as stdio, an output that nobody reads ends it quietly with 1")
    func brokenPipe() async throws {
        let tool = try ToolProcess(["echo", "stdio:"], input: .file("/dev/zero"))
        _ = try await tool.stream.read(exactly: 100_000)
        tool.stream.abort()
        #expect(await tool.status == 1)
        #expect(try await tool.finishErrors() == "listening stdio:\n")
    }

    /// Connects and has a byte echoed, so often.
    private func use(_ client: any ClientEndpoint, times: Int) async throws {
        for _ in 0..<times {
            try await client.withConnection { connection in
                try await connection.write([1])
                #expect(try await connection.read(exactly: 1) == [1])
            }
        }
    }

    @Test(
        "a reader of events that goes away does not keep it from serving and from obeying a signal"
    )
    func brokenOutput() async throws {
        let tool = try ToolProcess(["echo", "--json", "tcp:0:interface=127.0.0.1"])
        let client = try await tool.listening()
        tool.stream.abort()
        try await use(client, times: 3)
        tool.signal(SIGTERM)
        #expect(await tool.status == 0)
        #expect(try await tool.finishErrors().contains("events not written"))
    }

    @Test(
        "a reader of events that stops reading does not keep it from serving, and finds all later"
    )
    func fullEvents() async throws {
        let tool = try ToolProcess(["echo", "--json", "tcp:0:interface=127.0.0.1"])
        let client = try await tool.listening()
        // Several times what a pipe holds.
        try await use(client, times: 1500)
        tool.signal(SIGTERM)
        let end = try await tool.finish()
        #expect(end.status == 0)
        let events = end.output.split(separator: "\n")
        #expect(events.filter { $0.hasPrefix(#"{"event":"closed""#) }.count == 1500)
        #expect(events.count == 3000)
    }

    @Test("a log that nobody reads stops no connection, and a signal still ends it")
    func fullLog() async throws {
        let tool = try ToolProcess(["echo", "--log-level", "trace", "tcp:0:interface=127.0.0.1"])
        let client = try await tool.listening()
        try await use(client, times: 1500)
        tool.signal(SIGTERM)
        #expect(await tool.status == 0)
    }
}
