import CEndpoints
import Endpoints
import Glibc
import Testing

@Suite("endpoint relay", .timeLimit(.minutes(1)))
struct RelayCommandTests {
    @Test("bytes go both ways, and the end of one direction leaves the other open")
    func bothWays() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = try #require(listener.addresses.first?.port)
        let upstream = Task {
            try await listener.serve { connection in
                var count = 0
                for try await chunk in connection { count += chunk.count }
                try await connection.write("\(count) bytes came".utf8)
            }
        }
        let server = "tcp:0:interface=127.0.0.1"
        let tool = try ToolProcess(["relay", "--json", server, "tcp:127.0.0.1:\(port)"])
        try await tool.listening().withConnection { connection in
            try await connection.write([UInt8](repeating: 1, count: 300_000))
            try await connection.closeWrite()
            let answer = Array("300000 bytes came".utf8)
            #expect(try await connection.read(exactly: answer.count) == answer)
            #expect(try await connection.read(atMost: 1) == nil)
        }
        #expect(try await tool.line().contains(#""event":"accepted""#))
        let closed = try await tool.line()
        #expect(closed.contains(#""received":300000,"sent":17,"#))
        tool.signal(SIGTERM)
        #expect(await tool.status == 0)
        await listener.close()
        _ = await upstream.result
    }

    @Test("a half-open pair ends after --half-close, and the event says so", .bug(id: 13))
    func halfClose() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = try #require(listener.addresses.first?.port)
        let upstream = Task { try await listener.serve { _ = try await $0.fullyEnded() } }
        let server = "tcp:0:interface=127.0.0.1"
        let tool = try ToolProcess([
            "relay", "--json", "--half-close", "0.1", server, "tcp:127.0.0.1:\(port)",
        ])
        let connection = try await tool.listening().connect()
        #expect(try await tool.line().contains(#""event":"accepted""#))
        try await connection.closeWrite()
        await #expect(throws: EndpointError.self) { try await connection.read(atMost: 1) }
        await connection.close()
        #expect(try await tool.line().contains(#""event":"closed""#))
        tool.signal(SIGTERM)
        #expect(await tool.status == 0)
        await listener.close()
        _ = await upstream.result
    }

    @Test(
        "bytes of an answer that its reader does not take are a number in the event",
        .bug(id: 13)
    )
    func lostBytes() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = try #require(listener.addresses.first?.port)
        let upstream = Task {
            try await listener.serve {
                try await $0.write([UInt8](repeating: 1, count: 30_000_000))
            }
        }
        let server = "tcp:0:interface=127.0.0.1"
        let tool = try ToolProcess(["relay", "--json", server, "tcp:127.0.0.1:\(port)"])
        let connection = try await tool.listening().connect()
        #expect(try await tool.line().contains(#""event":"accepted""#))
        _ = try await connection.read(exactly: 1)
        connection.abort()
        let closed = try await tool.line()
        #expect(closed.contains(#""event":"closed""#))
        #expect(closed.contains(#""lost":"#))
        tool.signal(SIGTERM)
        #expect(await tool.status == 0)
        await listener.close()
        _ = await upstream.result
    }

    @Test("a client whose upstream refuses is closed at once, and the event says why")
    func refused() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = try #require(listener.addresses.first?.port)
        await listener.close()
        let server = "tcp:0:interface=127.0.0.1"
        let tool = try ToolProcess(["relay", "--json", server, "tcp:127.0.0.1:\(port)"])
        let connection = try await tool.listening().connect()
        #expect(try await connection.read(atMost: 1) == nil)
        await connection.close()
        #expect(try await tool.line().contains(#""event":"accepted""#))
        let failed = try await tool.line()
        #expect(failed.contains(#""event":"failed""#))
        #expect(failed.contains("connection refused (ECONNREFUSED)"))
        tool.signal(SIGINT)
        #expect(await tool.status == 0)
    }

    @Test("a client that is gone while its upstream is silent is not connected for any longer")
    func vanished() async throws {
        // A full backlog answers nobody.
        let socket = endpoints_socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { _ = endpoints_close(socket) }
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        address.ss_family = sa_family_t(AF_INET)
        #expect(endpoints_bind(socket, &address, length) == 0)
        #expect(endpoints_listen(socket, 0) == 0)
        #expect(endpoints_getsockname(socket, &address, &length) == 0)
        let fillers = (0..<4).map { _ in
            endpoints_socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        }
        defer { for filler in fillers { _ = endpoints_close(filler) } }
        for filler in fillers { _ = endpoints_connect(filler, &address, length) }
        let port = withUnsafeBytes(of: &address) { bytes in
            Int(bytes[2]) << 8 + Int(bytes[3])
        }
        let server = "tcp:0:interface=127.0.0.1"
        let upstream = "tcp:127.0.0.1:\(port):timeout=50"
        let tool = try ToolProcess(["relay", "--json", server, upstream])
        let client = try await tool.listening()
        let connection = try await client.connect()
        #expect(try await tool.line().contains(#""event":"accepted""#))
        connection.abort()
        let failed = try await tool.line()
        #expect(failed.contains(#""event":"failed""#))
        #expect(failed.contains("ECONNRESET"))
        #expect(try await tool.line().contains(#""event":"closed""#))
        tool.signal(SIGINT)
        #expect(await tool.status == 0)
    }

    @Test("a program gets the limit on descriptors that the tool was started with")
    func descriptorLimit() async throws {
        let script =
            "ulimit -Sn 300; exec '\(ToolProcess.path)' relay stdio: \"process:/bin/sh:-c 'ulimit -Sn'\""
        let endpoint = ProcessEndpoint(path: "/bin/sh", arguments: ["-c", script])
        try await endpoint.withConnection { connection in
            try await connection.closeWrite()
            var lines: [String] = []
            for try await line in connection.lines(limit: 100) { lines.append(line) }
            #expect(lines == ["300"])
        }
    }
}
