import Endpoints

/// A proxy in this process that passes on what comes: bytes, ends, and resets.
final class TestProxy: Sendable {
    enum Kind { case socks5, connect }

    let client: any ClientEndpoint
    private let listener: Listener
    private let serving: Task<Void, any Error>

    init(_ kind: Kind) async throws {
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen()
        self.listener = listener
        client = .tcp(host: "127.0.0.1", port: listener.addresses.first?.port ?? 0)
        serving = Task {
            try await listener.serve { connection in
                let target: Connection
                do {
                    target =
                        switch kind {
                        case .socks5: try await Self.socks5(connection)
                        case .connect: try await Self.connect(connection)
                        }
                } catch { return }
                do { try await relay(between: connection, and: target) } catch {
                    connection.abort()
                    target.abort()
                }
                await target.close()
            }
        }
    }

    func close() async {
        await listener.drain(within: .zero)
        _ = await serving.result
    }

    /// RFC 1928, as far as CONNECT to an IPv4 address without authentication.
    private static func socks5(_ client: Connection) async throws -> Connection {
        let methods = try await client.read(exactly: 2)
        _ = try await client.read(exactly: Int(methods[1]))
        try await client.write([5, 0] as [UInt8])
        let request = try await client.read(exactly: 10)
        let host = request[4..<8].map { "\($0)" }.joined(separator: ".")
        let port = UInt16(request[8]) << 8 | UInt16(request[9])
        let rest: [UInt8] = [0, 1, 0, 0, 0, 0, 0, 0]
        let target: some ClientEndpoint = .tcp(host: host, port: port)
        do {
            let connection = try await target.connect()
            try await client.write([5, 0] + rest)
            return connection
        } catch {
            try await client.write([5, 5] + rest)
            throw error
        }
    }

    /// RFC 9110, section 9.3.6.
    private static func connect(_ client: Connection) async throws -> Connection {
        var authority = ""
        for try await line in client.lines() {
            if line.isEmpty { break }
            if line.hasPrefix("CONNECT ") { authority = String(line.split(separator: " ")[1]) }
        }
        do {
            let connection = try await clientFromString("tcp:\(authority)").connect()
            try await client.write("HTTP/1.1 200 OK\r\n\r\n".utf8)
            return connection
        } catch {
            try await client.write("HTTP/1.1 502 Bad Gateway\r\n\r\n".utf8)
            throw error
        }
    }
}
