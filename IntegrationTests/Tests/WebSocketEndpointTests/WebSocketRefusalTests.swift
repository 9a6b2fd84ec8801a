// Peers that break the protocol, byte by byte: a plain connection on the other side.

import Endpoints
import Testing

@testable import WebSocketEndpoint

@Suite("WebSocket peers that misbehave", .serialized, .timeLimit(.minutes(1)))
struct WebSocketRefusalTests {
    private let key = "dGhlIHNhbXBsZSBub25jZQ=="

    /// Runs a plain client against a server of ours, which echoes.
    private func withPlainClient(
        _ options: String = "",
        opened: Bool = true,
        _ body: (Connection) async throws -> Void
    ) async throws {
        let server = "websocket:\(options)tcp:0:interface=127.0.0.1"
        try await withEcho(at: server) { client in
            let plain = try #require((client as? WebSocketClientEndpoint)?.endpoint)
            try await plain.withConnection { connection in
                if opened {
                    let request = WebSocketHandshake.request(host: "a", path: "/", key: key)
                    try await connection.write(request)
                    let response = WebSocketHandshake.response(key: key)
                    #expect(try await connection.read(exactly: response.count) == response)
                }
                try await body(connection)
            }
        }
    }

    /// Reads to the end, or to a reset behind what came.
    private func readAll(_ connection: Connection) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        do {
            while let more = try await connection.read(atMost: 65_536) { bytes += more }
        } catch let error as EndpointError where error.code == .connectionReset {}
        return bytes
    }

    @Test(
        "what is no request for a WebSocket is answered in HTTP, and closed",
        arguments: [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "),
            ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "),
            (String(repeating: "a", count: 10_000), "HTTP/1.1 400 "),
            ("\u{16}\u{3}\u{1}\n", "HTTP/1.1 400 "),
        ]
    )
    func noRequest(request: String, answer: String) async throws {
        try await withPlainClient(opened: false) { connection in
            try await connection.write(request.utf8)
            let text = String(decoding: try await readAll(connection), as: UTF8.self)
            #expect(text.hasPrefix(answer), "\(text)")
        }
    }

    @Test("a client that says nothing is gone after the time limit, and its listener tells why")
    func silent() async throws {
        let server = "websocket:timeout=0.05:tcp:0:interface=127.0.0.1"
        let listener = try await serverFromString(server, in: registry).listen()
        let events = listener.events
        let client = try #require(listener.clientEndpoints.first as? WebSocketClientEndpoint)
        let serving = Task { try await listener.serve { _ in } }
        try await client.endpoint.withConnection { connection in
            try await connection.write("GET / HTTP/1.1\r\n".utf8)
            #expect(try await readAll(connection) == [])
        }
        for await event in events {
            guard case .failed(_, let error) = event else { continue }
            #expect("\(error)".contains("WebSocket handshake"), "\(error)")
            break
        }
        await listener.close()
        try await serving.value
    }

    @Test(
        "a server that answers something else fails connect, with what it said",
        arguments: [
            ("HTTP/1.1 404 Not Found\r\n\r\n", "404 Not Found"),
            ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "no upgrade"),
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                    + "Sec-WebSocket-Accept: AAAA\r\n\r\n", "another key"
            ),
            ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "SSH-2.0"),
            (String(repeating: "b", count: 9000), "8192"),
            ("HTTP/1.1 101", "closed within"),
        ]
    )
    func wrongServer(answer: String, reason: String) async throws {
        try await withRawServer(
            { connection in
                _ = try await connection.read(atMost: 10_000)
                try await connection.write(answer.utf8)
            },
            { client in
                await #expect {
                    _ = try await WebSocketClientEndpoint(client).connect()
                } throws: {
                    "\($0)".contains(reason) && $0 is EndpointError
                }
            }
        )
    }

    @Test("a server that never answers fails connect after its timeout")
    func silentServer() async throws {
        try await withRawServer(
            { connection in
                while try await connection.read(atMost: 10_000) != nil {}
            },
            { client in
                var endpoint = WebSocketClientEndpoint(client)
                endpoint.timeout = .milliseconds(50)
                await #expect {
                    _ = try await endpoint.connect()
                } throws: {
                    ($0 as? EndpointError)?.code == .timedOut
                }
            }
        )
    }

    @Test(
        "a frame that breaks the rules is answered with its code, then the connection ends",
        arguments: [
            ([0x82, 0x01, 7], 1002), ([0x83, 0x80, 0, 0, 0, 0], 1002),
            ([0x82, 0xFE, 0x03, 0xE9, 0, 0, 0, 0], 1009),
            ([0x82, 0xFF, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1009),
        ] as [([UInt8], UInt16)]
    )
    func violation(frame: [UInt8], code: UInt16) async throws {
        try await withPlainClient("limit=1000:") { connection in
            try await connection.write(frame)
            let answer = try await readAll(connection)
            let begin: [UInt8] = [UInt8(code >> 8), UInt8(truncatingIfNeeded: code)]
            #expect(answer.first == 0x88)
            #expect(answer.dropFirst(2).prefix(2) == begin[...], "\(answer)")
        }
    }

    @Test("a frame at the limit passes, and a ping within a message is answered")
    func atTheLimit() async throws {
        try await withPlainClient("limit=1000:") { connection in
            var random = SystemRandomNumberGenerator()
            let encoder = WebSocketEncoder(role: .client)
            let frame = encoder.frame(
                [UInt8](repeating: 7, count: 1000),
                using: &random
            )
            let ping = encoder.frame([1, 2], opcode: .ping, using: &random)
            try await connection.write(frame + ping + encoder.close(using: &random))
            var decoder = WebSocketDecoder(role: .client)
            var (data, pongs, closes): ([UInt8], Int, Int) = ([], 0, 0)
            var input = try await readAll(connection)[...]
            while let event = try decoder.next(in: &input) {
                switch event {
                case .data(let more): data += more
                case .pong([1, 2]): pongs += 1
                case .close(code: 1000, _): closes += 1
                default: Issue.record("\(event)")
                }
            }
            #expect(data == [UInt8](repeating: 7, count: 1000))
            #expect(pongs <= 1)
            #expect(closes == 1)
        }
    }

    @Test("a peer that never closes is given up, in its time")
    func neverCloses() async throws {
        try await withPlainClient("closeTimeout=0.05:") { connection in
            // The echo ends when our end is read, and its close frame comes.
            var random = SystemRandomNumberGenerator()
            try await connection.write(WebSocketEncoder(role: .client).close(using: &random))
            #expect(try await readAll(connection) == [0x88, 2, 0x03, 0xE8])
        }
        try await withRawServer(
            { connection in
                var bytes: [UInt8] = []
                while true {
                    guard let more = try await connection.read(atMost: 10_000) else { return }
                    bytes += more
                    guard case .complete(let request, _) = try WebSocketHandshake.readRequest(bytes)
                    else { continue }
                    try await connection.write(WebSocketHandshake.response(key: request.key))
                    while try await connection.read(atMost: 10_000) != nil {}
                }
            },
            { client in
                var endpoint = WebSocketClientEndpoint(client)
                endpoint.closeTimeout = .milliseconds(50)
                try await endpoint.withConnection { connection in
                    try await connection.closeWrite()
                    _ = await #expect(throws: EndpointError.self) {
                        while try await connection.read(atMost: 10) != nil {}
                    }
                }
            }
        )
    }
}
