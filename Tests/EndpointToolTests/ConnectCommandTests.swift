import Endpoints
import Glibc
import Testing

@Suite("endpoint connect", .timeLimit(.minutes(1)))
struct ConnectCommandTests {
    /// A server that does `body` with one connection, and the string that reaches it.
    private func withServer(
        _ body: @escaping @Sendable (isolated Connection) async throws -> Void,
        _ test: (String) async throws -> Void
    ) async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let serving = Task { try await listener.serve(body) }
        try await test("tcp:127.0.0.1:\(try #require(listener.addresses.first?.port))")
        await listener.drain(within: .zero)
        _ = await serving.result
    }

    private static let echo: @Sendable (isolated Connection) async throws -> Void = { connection in
        for try await chunk in connection { try await connection.write(chunk) }
    }

    @Test("the end of stdin ends our direction, and the answer is read to its end")
    func halfClose() async throws {
        try await withServer { connection in
            var count = 0
            for try await chunk in connection { count += chunk.count }
            try await connection.write("\(count) bytes came\n".utf8)
        } _: { client in
            let tool = try ToolProcess(["connect", client])
            try await tool.stream.write("hello".utf8)
            try await tool.stream.closeWrite()
            let end = try await tool.finish()
            #expect(end == ("5 bytes came\n", "", 0))
        }
    }

    @Test("the server's end ends the program though stdin is open")
    func peerEnds() async throws {
        try await withServer { connection in
            try await connection.write("bye\n".utf8)
        } _: { client in
            let end = try await ToolProcess(["connect", client]).finish()
            #expect(end == ("bye\n", "", 0))
        }
    }

    @Test("input that is there is sent to its end though the server's came first")
    func peerEndsFirst() async throws {
        let input = "/tmp/endpoint-tool-\(getpid())-\(UInt32.random(in: 0 ... .max)).in"
        defer { unlink(input) }
        // More than the sockets' buffers take: it must still be on its way when the end has come.
        let size = 32 << 20
        let file = open(input, O_CREAT | O_WRONLY, 0o600)
        #expect(ftruncate(file, off_t(size)) == 0)
        close(file)
        let (counts, counted) = AsyncStream.makeStream(of: Int.self)
        let (outputEnds, outputEnded) = AsyncStream.makeStream(of: Void.self)
        try await withServer { connection in
            try await connection.closeWrite()
            _ = await outputEnds.first { true }
            var count = 0
            defer { counted.yield(count) }
            for try await chunk in connection { count += chunk.count }
        } _: { client in
            let tool = try ToolProcess(["connect", client], input: .file(input))
            for try await _ in tool.stream {}
            outputEnded.yield()
            #expect(await tool.status == 0)
            #expect(await counts.first { _ in true } == size)
        }
    }

    @Test(
        "input from a file is sent whole, output to a file written",
        arguments: ["/proc/self/exe", "/dev/null"]
    )
    func files(input: String) async throws {
        let output = "/tmp/endpoint-tool-\(getpid())-\(UInt32.random(in: 0 ... .max)).out"
        defer { unlink(output) }
        try await withServer(Self.echo) { client in
            // The link is of whoever opens it: the tool's own program.
            let tool = try ToolProcess(["connect", client], input: .file(input), output: output)
            #expect(await tool.status == 0)
            let program = try ToolProcess(["connect", client], input: .file(input))
            var bytes = 0
            for try await chunk in program.stream { bytes += chunk.count }
            #expect(await program.status == 0)
            var attributes = stat()
            #expect(stat(output, &attributes) == 0)
            #expect(Int(attributes.st_size) == bytes)
            #expect((bytes > 0) == (input != "/dev/null"))
        }
    }

    @Test("inherited descriptors stay blocking for those who share them")
    func sharedFlags() async throws {
        try await withServer(Self.echo) { client in
            let tool = try ToolProcess(["connect", client])
            try await tool.stream.write("x".utf8)
            _ = try await tool.stream.read(exactly: 1)
            for descriptor in 0...1 {
                let flags = try tool.flags(of: descriptor)
                #expect(flags & Int(O_NONBLOCK) == 0, "descriptor \(descriptor)")
            }
            try await tool.stream.closeWrite()
            #expect(await tool.status == 0)
        }
    }

    @Test("a program that fails after its output's end is one line on stderr, and status 1")
    func failedProgram() async throws {
        let program = "process:sh:[-c 'read line; echo \"$line\"; exec >&-; read line; exit 3']"
        let tool = try ToolProcess(["connect", program])
        try await tool.stream.write("hello\n".utf8)
        #expect(try await tool.line() == "hello")
        try await tool.stream.closeWrite()
        let end = try await tool.finish()
        #expect(end.errors.hasSuffix(": the program exited with status 3\n"))
        #expect(end.status == 1)
    }

    @Test("a program that failed and takes no more is told by its status, not by the broken pipe")
    func failedReader() async throws {
        let program = "process:sh:[-c 'exec 0<&-; echo out; exit 3']"
        let tool = try ToolProcess(["connect", program])
        #expect(try await tool.line() == "out")
        try await tool.stream.write("hello\n".utf8)
        try await tool.stream.closeWrite()
        let end = try await tool.finish()
        #expect(end.errors.hasSuffix(": the program exited with status 3\n"))
        #expect(end.status == 1)
    }

    @Test("a program that ignores SIGTERM has been killed when the tool has ended")
    func stubbornProgram() async throws {
        let script = "trap : TERM; echo $$; while :; do read line || sleep 1; done"
        let tool = try ToolProcess([
            "connect", "--drain", "0", "process:sh:[-c '\(script)']:grace=0.1",
        ])
        let pid = try #require(pid_t(try await tool.line()))
        tool.signal(SIGTERM)
        #expect(await tool.status == 0)
        #expect(kill(pid, 0) == -1 && errno == ESRCH)
    }

    @Test("nobody who listens is one line on stderr, and status 1")
    func refused() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = try #require(listener.addresses.first?.port)
        await listener.close()
        let end = try await ToolProcess(["connect", "tcp:127.0.0.1:\(port)"]).finish()
        let name = "tcp:host=127.0.0.1:port=\(port)"
        #expect(end == ("", "endpoint: connect \(name): connection refused (ECONNREFUSED)\n", 1))
    }

    @Test("events go to stderr, since stdout carries the stream")
    func events() async throws {
        try await withServer(Self.echo) { client in
            let tool = try ToolProcess(["connect", "--json", client], input: .file("/dev/null"))
            let end = try await tool.finish()
            #expect(end.output == "")
            #expect(end.errors.hasPrefix(#"{"event":"connected","#))
            #expect(end.errors.contains(#"{"event":"closed","#))
        }
    }

    @Test("a signal ends our direction, and what comes after it is still read")
    func signal() async throws {
        try await withServer { connection in
            try await connection.write("ready\n".utf8)
            for try await _ in connection {}
            try await connection.write("bye\n".utf8)
        } _: { client in
            let tool = try ToolProcess(["connect", client])
            #expect(try await tool.line() == "ready")
            tool.signal(SIGTERM)
            let end = try await tool.finish()
            #expect(end == ("bye\n", "", 0))
        }
    }

    @Test("an output that nobody reads ends it quietly with 1")
    func brokenOutput() async throws {
        try await withServer { connection in
            let block = [UInt8](repeating: 0, count: 65_536)
            while true { try await connection.write(block) }
        } _: { client in
            let tool = try ToolProcess(["connect", client])
            _ = try await tool.stream.read(exactly: 100_000)
            tool.stream.abort()
            #expect(await tool.status == 1)
            #expect(try await tool.finishErrors() == "")
        }
    }

    @Test(
        "an output whose reader goes away ends it at once with 1, though the server is silent",
        arguments: [["connect"], ["connect", "--reconnect"]]
    )
    func silentServer(command: [String]) async throws {
        try await withServer { connection in
            try await connection.write("hello\n".utf8)
            try await Task.sleep(for: .seconds(3600))
        } _: { client in
            let tool = try ToolProcess(command + [client])
            #expect(try await tool.line() == "hello")
            tool.stream.abort()
            #expect(await tool.status == 1)
            #expect(try await tool.finishErrors() == "")
        }
    }

    @Test(
        "an output whose reader goes away ends it though stdin has ended, and the server is silent"
    )
    func endedInput() async throws {
        try await withServer { connection in
            while try await connection.read(atMost: 1) != nil {}
            try await connection.write("hello\n".utf8)
            try await Task.sleep(for: .seconds(3600))
        } _: { client in
            let tool = try ToolProcess(["connect", client], input: .file("/dev/null"))
            #expect(try await tool.line() == "hello")
            tool.stream.abort()
            #expect(await tool.status == 1)
            #expect(try await tool.finishErrors() == "")
        }
    }

    @Test("input that the server did not take is counted on stderr, and the status is 1")
    func undelivered() async throws {
        let input = "/tmp/endpoint-tool-\(getpid())-\(UInt32.random(in: 0 ... .max)).in"
        defer { unlink(input) }
        let size = 32 << 20
        let file = open(input, O_CREAT | O_WRONLY, 0o600)
        #expect(ftruncate(file, off_t(size)) == 0)
        close(file)
        try await withServer { connection in
            try await connection.closeWrite()
            _ = try await connection.read(exactly: 100_000)
            connection.abort()
        } _: { client in
            let tool = try ToolProcess(["connect", client], input: .file(input))
            let end = try await tool.finish()
            #expect(end.status == 1)
            let words = try #require(
                end.errors.split(separator: "\n").first {
                    $0.hasSuffix("bytes of input not delivered")
                }
            )
            let count = try #require(Int(words.split(separator: " ")[1]))
            // What the sockets of both sides hold was taken, as far as the tool can know.
            #expect(count > 0 && count <= size - 100_000)
        }
    }
}
