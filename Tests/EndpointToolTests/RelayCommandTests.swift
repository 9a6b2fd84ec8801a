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
}
