import Endpoints
import Testing

@Suite("Passwords", .timeLimit(.minutes(1)))
struct SecretsTests {
    /// A SOCKS 5 proxy (RFC 1928, RFC 1929) that lets everybody in and is the far end itself.
    private func withProxy(_ test: (_ proxy: String) async throws -> Void) async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let serving = Task {
            try await listener.serve { connection in
                _ = try await connection.read(atMost: 64)
                try await connection.write([5, 2])
                _ = try await connection.read(atMost: 600)
                try await connection.write([1, 0])
                _ = try await connection.read(atMost: 600)
                try await connection.write([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
            }
        }
        try await test("[tcp:127.0.0.1:\(try #require(listener.addresses.first?.port))]")
        await listener.drain(within: .zero)
        _ = await serving.result
    }

    @Test(
        "events, the log and what a probe tells show stars in their place",
        arguments: [
            ["connect", "--json", "--log-level", "trace"], ["connect", "--log-level", "trace"],
            ["probe"], ["probe", "--json"],
        ]
    )
    func told(command: [String]) async throws {
        try await withProxy { proxy in
            let string = "socks5:example.com:1:proxy=\(proxy):user=u:password=hunter2"
            let tool = try ToolProcess(command + [string], input: .file("/dev/null"))
            let end = try await tool.finish()
            #expect(end.status == 0)
            let told = end.output + end.errors
            #expect(!told.contains("hunter2"))
            if command != ["probe", "--json"] { #expect(told.contains("password=***")) }
        }
    }

    @Test("explain shows stars in its place, also in place of an argument that is misspelt")
    func explained() async throws {
        let string = "socks5:h:1:proxy=[tcp:p:1]:user=u:"
        for options in [[], ["--json"]] {
            let right = try await ToolProcess(["explain", string + "password=hunter2"] + options)
                .finish()
            #expect(right.status == 0)
            #expect(!(right.output + right.errors).contains("hunter2"))
            let wrong = try await ToolProcess(["explain", string + "passwd=hunter2"] + options)
                .finish()
            #expect(wrong.status == 64)
            #expect(!(wrong.output + wrong.errors).contains("hunter2"))
            let tool = try ToolProcess(["explain", "-"] + options)
            try await tool.stream.write("\(string)password=hunter2\n\(string)passwd=hunter2\n".utf8)
            try await tool.stream.closeWrite()
            let lines = try await tool.finish()
            #expect(!(lines.output + lines.errors).contains("hunter2"))
        }
    }

    @Test("explain escapes what it reads", arguments: [[], ["--json"], ["--check"]])
    func escaped(options: [String]) async throws {
        let strings = [
            "unix:/a\u{1B}[2J\u{9B}\u{202E}b", "tcp:\u{1B}:\u{202E}", "\u{1B}\u{202E}:x",
        ]
        for string in strings {
            let tool = try ToolProcess(["explain", "-"] + options)
            try await tool.stream.write("\(string)\n".utf8)
            try await tool.stream.closeWrite()
            let piped = try await tool.finish()
            let given = try await ToolProcess(["explain", string] + options).finish()
            for text in [piped.output, piped.errors, given.output, given.errors] {
                let isClean = text.unicodeScalars.allSatisfy { scalar in
                    scalar == "\n" || !["\u{1B}", "\u{9B}", "\u{202E}"].contains(scalar)
                }
                #expect(isClean, "\(text.debugDescription)")
            }
        }
    }

    @Test(
        "--network-only refuses strings that do more than reach the network",
        arguments: [
            ["echo", "fd:3"], ["echo", "tls:0:privateKey=/k:keyLog=/tmp/k"],
            ["relay", "tcp:0:interface=127.0.0.1", "process:cat"],
            ["relay", "unix:/tmp/a", "tcp:127.0.0.1:1"],
            ["connect", "tls:h:443:endpoint=[process:sh]"], ["probe", "process:cat"],
            ["explain", "process:cat"], ["explain", "--check", "stdio:"],
        ]
    )
    func networkOnly(command: [String]) async throws {
        let end = try await ToolProcess(command + ["--network-only"]).finish()
        #expect(end.status == 64)
        #expect(end.errors.contains("is not allowed here: it "))
    }

    @Test("an error shows stars in its place", arguments: ["connect", "probe"])
    func errors(command: String) async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let serving = Task { try await listener.serve { _ in } }
        let port = try #require(listener.addresses.first?.port)
        let string =
            "socks5:example.com:1:proxy=[tcp:127.0.0.1:\(port)]:user=u:password=hunter2"
        let end = try await ToolProcess([command, string]).finish()
        #expect(end.status == 1)
        let told = end.output + end.errors
        #expect(told.contains("password=***"))
        #expect(!told.contains("hunter2"))
        await listener.drain(within: .zero)
        _ = await serving.result
    }
}
