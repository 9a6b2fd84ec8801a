import Endpoints

@main struct Echo {
    static func main() async throws {
        let server = try serverFromString("tcp:8080:interface=127.0.0.1")
        try await server.serve { connection in
            for try await chunk in connection { try await connection.write(chunk) }
        }
    }
}
