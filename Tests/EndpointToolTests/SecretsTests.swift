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
