import CEndpoints
import EventLoop
import Logging
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// Keeps what is logged.
private struct Recorder: LogHandler {
    let lines: Lock<[String]>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(_ lines: Lock<[String]>) { self.lines = lines }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let line = event.metadata?["line"].map { "\($0)" }
        lines.withLock { $0.append(line ?? "\(event.message)") }
    }
}

@Suite("Processes", .timeLimit(.minutes(1)))
struct ProcessEndpointTests {
    private func shell(_ script: String) -> ProcessEndpoint {
        var endpoint = ProcessEndpoint(path: "/bin/sh", arguments: ["-c", script])
        endpoint.grace = .milliseconds(50)
        return endpoint
    }

    /// Waits until the process is gone, zombie included.
    private func waitUntilGone(_ pid: Int32) async throws {
        while endpoints_kill(pid, 0) == 0 {
            try await EventLoopGroup.shared.next().sleep(for: .milliseconds(2))
        }
    }

    private func pid(_ connection: Connection) throws -> Int32 {
        let text = "\(connection.remoteAddress)"
        return try #require(Int32(text.dropFirst("process:".count)))
    }

    @Test("what is written comes back, and the end of input ends the program")
    func cat() async throws {
        let connection = try await clientFromString("process:cat").connect()
        let process = try pid(connection)
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
        async let writing: Void = {
            try await connection.write(bytes)
            try await connection.closeWrite()
        }()
        var back: [UInt8] = []
        for try await chunk in connection { back += chunk }
        try await writing
        #expect(back == bytes)
        guard case .peerClosed = try await connection.ended() else {
            Issue.record("not a clean end")
            return
        }
        await connection.close()
        try await waitUntilGone(process)
    }

    @Test(
        "the end tells how the program exited, after its output was read",
        arguments: [
            ("echo out; exit 3", "exited with status 3"),
            ("echo out; kill -KILL $$", "killed by signal 9 (SIGKILL)"),
        ]
    )
    func status(script: String, reason: String) async throws {
        let connection = try await shell(script).connect()
        var output: [UInt8] = []
        for try await chunk in connection { output += chunk }
        #expect(output == Array("out\n".utf8))
        guard case .failed(let error) = try await connection.ended() else {
            Issue.record("not failed")
            return
        }
        #expect(error.code == .processFailed)
        #expect("\(error)".contains(reason))
        await connection.close()
    }

    @Test("the end tells how the program exited, though it did not read what was written to it")
    func unreadInput() async throws {
        let connection = try await shell("exec 0<&-; echo out; exit 3").connect()
        #expect(try await connection.read(atMost: 10) == Array("out\n".utf8))
        let error = await #expect(throws: EndpointError.self) {
            try await connection.write("hello".utf8)
        }
        #expect(error?.systemError?.name == "EPIPE")
        guard case .failed(let end) = try await connection.ended() else {
            Issue.record("not failed")
            return
        }
        #expect(end.code == .processFailed)
        #expect("\(end)".contains("exited with status 3"))
        await connection.close()
    }

    @Test("standard error goes to the log, line by line, control characters escaped")
    func messages() async throws {
        let lines = Lock([String]())
        let logger = Logger(label: "test") { _ in Recorder(lines) }
        let context = EndpointContext(logger: logger)
        let script = #"printf 'a\rb\033[2J\302\233\342\200\256\377\\\n' >&2"#
        let endpoint = shell(
            "echo one >&2; printf 'two\nthree\n' >&2; \(script); exec 2>&-; read x"
        )
        try await endpoint.withConnection(in: context) { connection in
            while lines.withLock({ $0.count }) < 4 {
                try await EventLoopGroup.shared.next().sleep(for: .milliseconds(2))
            }
        }
        let escaped = #"a\rb\u{1B}[2J\u{009B}\u{202E}\xFF\"#
        #expect(lines.withLock { Array($0.prefix(4)) } == ["one", "two", "three", escaped])
    }

    @Test("a program gets the limit on descriptors that this process had before it raised its own")
    func descriptorLimit() async throws {
        RunningPrograms.descriptorLimit = 123
        defer { RunningPrograms.descriptorLimit = .max }
        try await shell("ulimit -Sn; ulimit -Hn").withConnection { connection in
            var lines: [String] = []
            for try await line in connection.lines(limit: 100) { lines.append(line) }
            #expect(lines.first == "123")
            #expect(lines.last != "123")
        }
    }

    @Test("a program that ignores everything is killed after the grace period, its group too")
    func stubborn() async throws {
        let script =
            "trap '' TERM; (trap '' TERM; sleep 30) & echo $!; for i in 1 2 3 4 5 6 7 8 9; do sleep 3; done"
        let connection = try await shell(script).connect()
        let process = try pid(connection)
        var text = ""
        for try await line in connection.lines(limit: 100) {
            text = line
            break
        }
        let grandchild = try #require(Int32(text))
        await connection.close()
        try await waitUntilGone(process)
        // An orphan's end is its new parent's to notice: gone, or a zombie.
        for _ in 0..<500 {
            let stat = fopen("/proc/\(grandchild)/stat", "r")
            guard let stat else { break }
            var buffer = [CChar](repeating: 0, count: 256)
            fgets(&buffer, 256, stat)
            fclose(stat)
            let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            if String(decoding: bytes, as: UTF8.self).contains(") Z") { break }
            try await EventLoopGroup.shared.next().sleep(for: .milliseconds(2))
        }
        let isThere = fopen("/proc/\(grandchild)/cmdline", "r").map { file in
            defer { fclose(file) }
            return fgetc(file) != EOF
        }
        #expect(isThere != true)
    }

    @Test("a cancelled task ends the program", .tags(.cancellation))
    func cancelled() async throws {
        let started = Lock(Int32(0))
        let task = Task {
            try await shell("exec sleep 30").withConnection { connection in
                let process = try pid(connection)
                started.withLock { $0 = process }
                _ = try await connection.read(atMost: 1)
            }
        }
        while started.withLock({ $0 }) == 0 { await Task.yield() }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        try await waitUntilGone(started.withLock { $0 })
    }

    @Test("a program does not outlive its loop")
    func shutdown() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let context = EndpointContext(loops: group)
        let connection = try await shell("trap '' TERM; read x; sleep 30").connect(in: context)
        let process = try pid(connection)
        await group.shutdown()
        try await waitUntilGone(process)
        await connection.close()
    }

    @Test("a program that cannot be started is an error of connect")
    func missing() async throws {
        for (path, code) in [
            ("/nonexistent/program", EndpointError.Code.notFound),
            ("/etc/passwd", .permissionDenied),
        ] {
            do {
                _ = try await ProcessEndpoint(path: path).connect()
                Issue.record("started")
            } catch let error as EndpointError {
                #expect(error.code == code)
                #expect("\(error)".hasPrefix("connect process:path=\(path)"))
            }
        }
    }

    @Test("arguments, directory and environment are as told")
    func setting() async throws {
        var endpoint = ProcessEndpoint(
            path: "/bin/sh",
            arguments: ["-c", "pwd; echo \"$1|$HOME|$#\"; ls /proc/self/fd | wc -l", "sh", "a 'b"]
        )
        endpoint.directory = "/usr"
        endpoint.environment = .empty
        let parsed = try clientFromString("\(endpoint)")
        #expect("\(parsed)" == "\(endpoint)")
        let connection = try await parsed.connect()
        var lines: [String] = []
        for try await line in connection.lines(limit: 1000) { lines.append(line) }
        await connection.close()
        // ls has its own directory open, and the pipe of wc.
        #expect(lines.map { $0.filter { $0 != "\t" } }.prefix(2) == ["/usr", "a 'b||1"])
        #expect(lines.count == 3 && (Int(lines[2].filter(\.isNumber)) ?? 99) <= 4)
    }

    @Test("no descriptor is left", .tags(.faults))
    func descriptors() async throws {
        // Descriptors of tests that run beside this one come and go: only our pipes are looked for.
        let connection = try await ProcessEndpoint(path: "cat").connect()
        let process = try pid(connection)
        await connection.close()
        try await waitUntilGone(process)
        for number in 3..<1024 {
            var buffer = [CChar](repeating: 0, count: 4096)
            guard let file = fopen("/proc/self/fdinfo/\(number)", "r") else { continue }
            defer { fclose(file) }
            while fgets(&buffer, 4096, file) != nil {
                let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
                #expect(String(decoding: bytes, as: UTF8.self) != "Pid:\t\(process)\n")
            }
        }
    }

    @Test(
        "words are read as they are printed",
        arguments: [
            ("a b", ["a", "b"]), ("  a   b ", ["a", "b"]), ("'a b' c", ["a b", "c"]),
            ("''", [""]), ("'it''s'", ["it's"]), ("''''", ["'"]), ("a\\b,c", ["a\\b,c"]),
        ]
    )
    func words(text: String, words: [String]) throws {
        #expect(try ProgramArguments.parse(text) == words)
        #expect(try ProgramArguments.parse(ProgramArguments.print(words)) == words)
        let endpoint = ProcessEndpoint(path: "x:y", arguments: words)
        #expect(try clientFromString("\(endpoint)") as? ProcessEndpoint == endpoint)
    }

    @Test("any text is words or refused, and words are printed as what reads the same")
    func randomWords() throws {
        let alphabet: [Unicode.Scalar] = [" ", "'", "a", "\\", ":", "=", "[", "]", ",", "é"]
        var generator = SplitMix(seed: 5)
        for _ in fuzzRounds(4_000) {
            var text = ""
            for _ in 0..<Int.random(in: 0...12, using: &generator) {
                let index = Int.random(in: 0..<alphabet.count, using: &generator)
                text.unicodeScalars.append(alphabet[index])
            }
            guard let words = try? ProgramArguments.parse(text) else { continue }
            #expect(try ProgramArguments.parse(ProgramArguments.print(words)) == words)
            let endpoint = ProcessEndpoint(path: "x", arguments: words)
            #expect(try clientFromString("\(endpoint)") as? ProcessEndpoint == endpoint)
        }
    }

    @Test("a connection that is dropped takes its program with it", .tags(.faults))
    func dropped() async throws {
        var connection: Connection? = try await shell("trap '' TERM; sleep 30").connect()
        let process = try pid(try #require(connection))
        connection = nil
        try await waitUntilGone(process)
    }

    @Test("words with loose quotes are refused", arguments: ["a'b", "'a", "'a'b", "'"])
    func wrongWords(text: String) {
        #expect(throws: EndpointArgumentError.self) { try ProgramArguments.parse(text) }
    }
}
