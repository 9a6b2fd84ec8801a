import EndpointStrings
import EndpointsCore
import EndpointsNet

/// An echo over TCP in a program that links no OpenSSL.
@main struct NetOnly {
    static func main() async throws {
        var registry = EndpointRegistry()
        registry.register(TCPServerEndpoint.self)
        let server = try serverFromString("tcp:0:interface=127.0.0.1", in: registry)
        let listener = try await server.listen()
        let serving = Task {
            try await listener.serve { connection in
                for try await chunk in connection { try await connection.write(chunk) }
            }
        }
        guard let client = listener.clientEndpoints.first else { return }
        try await client.withConnection { connection in
            try await connection.write("hello\n".utf8)
            try await connection.closeWrite()
            for try await line in connection.lines() { print(line) }
        }
        await listener.close()
        try await serving.value
    }
}
