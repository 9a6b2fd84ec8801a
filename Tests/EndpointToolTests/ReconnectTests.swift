import Endpoints
import Glibc
import Testing

@Suite("endpoint connect --reconnect", .timeLimit(.minutes(1)))
struct ReconnectTests {
    private let path = "/tmp/endpoint-reconnect-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    private var client: String { "unix:\(path)" }
    private static let again = ["connect", "--reconnect", "--delay", "0.01"]

    /// Serves at the path while the test runs.
    private func withServer(
        _ body: @escaping @Sendable (isolated Connection) async throws -> Void,
        _ test: (Listener) async throws -> Void
    ) async throws {
        let listener = try await serverFromString("unix:\(path)").listen()
        let serving = Task { try await listener.serve(body) }
        try await test(listener)
        await listener.drain(within: .zero)
        _ = await serving.result
    }

    @Test("each line goes to the connection there is, though each ends after one")
    func lines() async throws {
        let (answers, answered) = AsyncStream.makeStream(of: Void.self)
        try await withServer { connection in
            for try await line in connection.lines() {
                try await connection.write("got \(line)\n".utf8)
                // What is unread of an ended connection is lost when the delay is over.
                _ = await answers.first { true }
                break
            }
        } _: { _ in
            let tool = try ToolProcess(Self.again + ["--json", client])
            for number in 1...5 {
                try await tool.stream.write("\(number)\n".utf8)
                #expect(try await tool.line() == "got \(number)")
                answered.yield()
                // A line that comes before the tool knows of the end may go with the connection.
                let end = #"{"event":"closed""#
                for try await line in tool.errors.lines() where line.hasPrefix(end) { break }
            }
            tool.signal(SIGTERM)
            #expect(try await tool.finish().status == 0)
        }
    }

    @Test("what each connection brought is written whole, however soon the next may come")
    func output() async throws {
        // What a socket holds: it has come when the end has.
        let size = 100_000
        try await withServer { connection in
            try await connection.write([1] + [UInt8](repeating: 0, count: size - 1))
        } _: { _ in
            let tool = try ToolProcess(["connect", "--reconnect", "--delay", "0", client])
            let bytes = try await tool.stream.read(exactly: 5 * size)
            let starts = bytes.indices.filter { bytes[$0] == 1 }
            #expect(starts == (0..<5).map { $0 * size })
            tool.signal(SIGTERM)
            #expect(try await tool.finish().status == 0)
        }
    }

    @Test("a server that comes later, and again later, is waited for")
    func later() async throws {
        let tool = try ToolProcess(Self.again + ["--json", client])
        for _ in 0..<3 {
            for try await line in tool.errors.lines() {
                if line.hasPrefix(#"{"event":"waiting""#), line.contains(#""error":"connect"#) {
                    break
                }
            }
            try await withServer { connection in
                try await connection.write("hello\n".utf8)
                _ = try await connection.read(atMost: 1)
            } _: { _ in
                let line = try await tool.line()
                #expect(line == "hello")
            }
        }
        tool.signal(SIGTERM)
        #expect(await tool.status == 0)
    }

    @Test("the end of stdin ends our direction; its answer is the last, and is whole")
    func inputEnds() async throws {
        try await withServer { connection in
            var count = 0
            for try await chunk in connection { count += chunk.count }
            try await connection.write("\(count) bytes came\n".utf8)
        } _: { _ in
            for _ in 0..<5 {
                let tool = try ToolProcess(Self.again + [client], input: .file("/proc/self/exe"))
                // The link is of whoever opens it: the tests' own program, at this moment.
                var attributes = stat()
                #expect(stat("/proc/self/exe", &attributes) == 0)
                let end = try await tool.finish()
                #expect(end == ("\(attributes.st_size) bytes came\n", "", 0))
            }
        }
    }

    @Test("a signal ends it while it waits, and while it is connected", arguments: [false, true])
    func signal(isConnected: Bool) async throws {
        let tool = try ToolProcess(Self.again + ["--json", client])
        let wanted = #"{"event":"\#(isConnected ? "connected" : "waiting")""#
        func test(_: Listener?) async throws {
            for try await line in tool.errors.lines() where line.hasPrefix(wanted) { break }
            tool.signal(SIGINT)
            #expect(await tool.status == 0)
        }
        guard isConnected else { return try await test(nil) }
        try await withServer({ for try await _ in $0 {} }, test)
    }

    @Test("an output that nobody reads ends it quietly with 1")
    func brokenOutput() async throws {
        try await withServer { connection in
            let block = [UInt8](repeating: 0, count: 65_536)
            while true { try await connection.write(block) }
        } _: { _ in
            let tool = try ToolProcess(Self.again + [client])
            _ = try await tool.stream.read(exactly: 100_000)
            tool.stream.abort()
            #expect(await tool.status == 1)
            #expect(try await tool.finishErrors() == "")
        }
    }

    @Test("--delay goes with --reconnect")
    func usage() async throws {
        let end = try await ToolProcess(["connect", "--delay", "1", client]).finish()
        #expect(end.status == 64)
        #expect(end.errors.contains("--delay goes with --reconnect"))
    }
}
