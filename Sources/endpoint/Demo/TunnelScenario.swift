// Shows `socks5:` and `connect:`, with the smallest proxies that one can speak to: they know one kind
// of address, and believe that what comes is well formed.

import Endpoints

enum TunnelScenario {
    static func run(in context: EndpointContext, _ report: DemoReport) async throws {
        try await run(SOCKS5ClientEndpoint.kind, in: context, report) { connection in
            _ = try await connection.read(exactly: 3)
            try await connection.write([5, 0])
            let request = try await connection.read(exactly: 10)
            let port = UInt16(request[8]) << 8 | UInt16(request[9])
            return Request(
                port: port,
                accepted: [5, 0, 0, 1, 0, 0, 0, 0, 0, 0],
                refused: [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]
            )
        }
        try await run(HTTPConnectClientEndpoint.kind, in: context, report) { connection in
            var port: UInt16?
            for try await line in connection.lines(limit: 8192) {
                if line.isEmpty { break }
                guard port == nil, let target = line.split(separator: " ").dropFirst().first
                else { continue }
                port = target.split(separator: ":").last.flatMap { UInt16($0) }
            }
            return Request(
                port: port ?? 0,
                accepted: Array("HTTP/1.1 200 OK\r\n\r\n".utf8),
                refused: Array("HTTP/1.1 502 Bad Gateway\r\n\r\n".utf8)
            )
        }
    }

    /// What a client asks of a proxy, and what it is answered.
    private struct Request: Sendable {
        var port: UInt16
        var accepted: [UInt8]
        var refused: [UInt8]
    }

    private static func run(
        _ kind: String,
        in context: EndpointContext,
        _ report: DemoReport,
        _ read: @escaping @Sendable (Connection) async throws -> Request
    ) async throws {
        let proxy = try await MemoryServerEndpoint.memory("demo-\(kind)").listen(in: context)
        let serving = Task {
            try await proxy.serve { connection in
                let request = try await read(connection)
                let target = TCPClientEndpoint(host: "127.0.0.1", port: request.port)
                let upstream: Connection
                do { upstream = try await target.connect(in: context) } catch {
                    return try await connection.write(request.refused)
                }
                defer { upstream.abort() }
                try await connection.write(request.accepted)
                try await relay(between: connection, and: upstream)
                await upstream.close()
            }
        }
        defer { serving.cancel() }
        let scenario = DemoScenario(
            name: kind,
            server: "tcp:0:interface=127.0.0.1",
            fullServer: nil,
            client: { "\(kind):127.0.0.1:\($0.port ?? 0):proxy=[memory:demo-\(kind)]" }
        )
        try await scenario.run(in: context, report)
        await proxy.close()
    }
}
