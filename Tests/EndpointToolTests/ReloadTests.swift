import Endpoints
import Glibc
import Testing

@Suite("SIGHUP", .timeLimit(.minutes(1)))
struct ReloadTests {
    /// Who the server says it is, to a client that goes through `prefix`.
    private func subject(_ client: any ClientEndpoint) async throws -> String? {
        try await client.withConnection { $0.tls?.peerCertificates.first?.subject }
    }

    private func client(
        _ certificates: TestCertificates,
        _ server: any ClientEndpoint
    ) throws -> any ClientEndpoint {
        let roots = quoted(certificates.file("ca.pem"))
        return try clientFromString(
            "tls:localhost:443:trustRoots=\(roots):endpoint=[\(server)]"
        )
    }

    /// Reads the log until a message with `text` has come.
    private func waitForLog(_ tool: ToolProcess, _ text: String) async throws -> String {
        for try await line in tool.errors.lines() where line.contains(text) { return line }
        throw ToolError("the log ended without \(text)")
    }

    @Test(
        "the certificate that is served changes, and no connection is lost",
        arguments: ["", "haproxy:"]
    )
    func changes(prefix: String) async throws {
        let certificates = try TestCertificates()
        try certificates.make("old", names: "DNS:localhost", by: "ca")
        try certificates.make("new", names: "DNS:localhost", by: "ca")
        try certificates.make("other", names: "DNS:localhost", by: "ca")
        let server =
            "\(prefix)tls:0:interface=127.0.0.1:privateKey=\(certificates.file("old.pem"))"
        let tool = try ToolProcess(["echo", "--json", server])
        let address = try #require(try await tool.line().split(separator: "\"").dropLast().last)
        let port = try #require(address.split(separator: ":").last)
        let client = try client(
            certificates,
            try clientFromString("\(prefix)tcp:127.0.0.1:\(port)")
        )
        let open = try await client.connect()
        #expect(open.tls?.peerCertificates.first?.subject == "CN=old")

        try certificates.move("new.pem", onto: "old.pem")
        tool.signal(SIGHUP)
        _ = try await waitForLog(tool, "reloaded")
        #expect(try await subject(client) == "CN=new")

        // A key without its certificate, as a half-written file is.
        try certificates.move("other.key", onto: "old.pem")
        tool.signal(SIGHUP)
        let failure = try await waitForLog(tool, "not reloaded")
        #expect(failure.contains("old.pem"))
        #expect(try await subject(client) == "CN=new")

        try certificates.move("other.pem", onto: "old.pem")
        tool.signal(SIGHUP)
        _ = try await waitForLog(tool, "reloaded")
        #expect(try await subject(client) == "CN=other")

        try await open.write("hello".utf8)
        #expect(try await open.read(exactly: 5) == Array("hello".utf8))
        await open.close()
        tool.signal(SIGTERM)
        #expect(await tool.status == 0)
    }

    @Test("while clients come and go, none is refused and none sees a wrong certificate")
    func underLoad() async throws {
        let certificates = try TestCertificates()
        for name in ["served", "first", "second", "third"] {
            try certificates.make(name, names: "DNS:localhost", by: "ca")
        }
        let file = certificates.file("served.pem")
        let tool = try ToolProcess(["echo", "tls:0:interface=127.0.0.1:privateKey=\(file)"])
        let line = try await tool.line()
        let port = try #require(line.firstMatch(of: /port=(\d+)/)?.1)
        let client = try client(certificates, try clientFromString("tcp:127.0.0.1:\(port)"))
        let clients = Task {
            var seen: Set<String> = []
            repeat {
                seen.insert(try await subject(client) ?? "none")
            } while !seen.contains("CN=third")
            return seen
        }
        for name in ["first", "second", "third"] {
            try certificates.move("\(name).pem", onto: "served.pem")
            tool.signal(SIGHUP)
            _ = try await waitForLog(tool, " reloaded")
        }
        let seen = try await clients.value
        #expect(seen.isSubset(of: ["CN=served", "CN=first", "CN=second", "CN=third"]))
        tool.signal(SIGTERM)
        #expect(await tool.status == 0)
    }

    @Test("a server without files goes on")
    func nothing() async throws {
        let tool = try ToolProcess(["echo", "tcp:0:interface=127.0.0.1"])
        let client = try await tool.listening()
        tool.signal(SIGHUP)
        _ = try await waitForLog(tool, "nothing to reload")
        try await client.withConnection { connection in
            try await connection.write("hello".utf8)
            #expect(try await connection.read(exactly: 5) == Array("hello".utf8))
        }
        tool.signal(SIGTERM)
        #expect(await tool.status == 0)
    }

    @Test("a command that serves nobody ends, as it would without us")
    func others() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = try #require(listener.addresses.first?.port)
        // Its first line shows that it has begun.
        let tool = try ToolProcess(["explain", "-"])
        try await tool.stream.write("tcp:\(port)\n".utf8)
        _ = try await tool.line()
        tool.signal(SIGHUP)
        #expect(await tool.status == 128 + SIGHUP)
        await listener.close()
    }
}
