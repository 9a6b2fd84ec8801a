import Endpoints

@main struct Hello {
    static func main() async throws {
        let client = try clientFromString("tcp:127.0.0.1:8080")
        try await client.withConnection { connection in
            try await connection.write("hello\n".utf8)
            try await connection.closeWrite()
            for try await line in connection.lines() { print(line) }
        }
    }
}
