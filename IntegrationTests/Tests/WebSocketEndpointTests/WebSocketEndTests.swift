// How the program's stream ends when the peer's does not end as RFC 6455 has it.

import Endpoints
import Testing

@testable import WebSocketEndpoint

@Suite("A WebSocket that is cut off", .serialized, .timeLimit(.minutes(1)))
struct WebSocketEndTests {
    /// Gives `body` our end, in a role, of a WebSocket whose peer is played by `peer`: a plain
    /// connection behind the handshake, which is closed when `peer` returns, and what it has read of
    /// ours by then.
    private func withPeer(
        of role: WebSocketRole,
        _ peer: @escaping @Sendable (Connection, [UInt8]) async throws -> Void,
        _ body: (Connection) async throws -> Void
    ) async throws {
        switch role {
        case .client:
            try await withRawServer(
                { connection in
                    let rest = try await connection.answerWebSocket(
                        accepting: { _ in },
                        endpoint: "test"
                    )
                    try await peer(connection, rest)
                },
                { try await WebSocketClientEndpoint($0).withConnection { try await body($0) } }
            )
        case .server:
            let string = "websocket:tcp:0:interface=127.0.0.1"
            let listener = try await serverFromString(string, in: registry).listen()
            let reached = try #require(listener.clientEndpoints.first as? WebSocketClientEndpoint)
            let playing = Task {
                try await reached.endpoint.withConnection { connection in
                    let rest = try await connection.askForWebSocket(
                        host: "a",
                        path: "/",
                        endpoint: "test"
                    )
                    try await peer(connection, rest)
                }
            }
            for await connection in listener {
                try await body(connection)
                connection.abort()
                break
            }
            await listener.close()
            try await playing.value
        }
    }

    /// What the peer sends: a message of three bytes, less those at its end.
    private static func frame(to role: WebSocketRole, without missing: Int) -> ArraySlice<UInt8> {
        var random = SystemRandomNumberGenerator()
        let encoder = WebSocketEncoder(role: role == .client ? .server : .client)
        return encoder.frame([1, 2, 3], using: &random).dropLast(missing)
    }

    /// Reads until it throws; what came, and the error.
    private func readToFailure(
        _ connection: Connection
    ) async throws -> (bytes: [UInt8], error: EndpointError?) {
        var bytes: [UInt8] = []
        do {
            while let more = try await connection.read(atMost: 10) { bytes += more }
        } catch let error as EndpointError {
            return (bytes, error)
        }
        return (bytes, nil)
    }

    @Test(
        "a TCP connection that ends without a close frame is truncated, behind what came",
        arguments: [WebSocketRole.client, .server],
        [0, 1, 3, 4, 9]
    )
    func truncated(role: WebSocketRole, missing: Int) async throws {
        let frame = Self.frame(to: role, without: missing)
        try await withPeer(of: role) { peer, _ in
            try await peer.write(frame)
        } _: { connection in
            let (bytes, error) = try await readToFailure(connection)
            #expect(bytes == Array([1, 2, 3].dropLast(missing)))
            #expect(error?.code == .truncated)
            #expect(error?.reason == "the stream ended without a close frame")
            guard case .truncated = try await connection.ended() else {
                Issue.record("\(try await connection.ended())")
                return
            }
        }
    }

    @Test(
        "so is one that ends so after our own close frame",
        arguments: [WebSocketRole.client, .server]
    )
    func truncatedAfterOurs(role: WebSocketRole) async throws {
        try await withPeer(of: role) { peer, rest in
            let missing = (role == .client ? 8 : 4) - rest.count
            let frame = try await rest + (missing > 0 ? peer.read(exactly: missing) : [])
            #expect(frame[0] == 0x88)
        } _: { connection in
            try await connection.closeWrite()
            #expect(try await readToFailure(connection).error?.code == .truncated)
        }
    }

    @Test("a TCP connection that is reset is a reset", arguments: [WebSocketRole.client, .server])
    func reset(role: WebSocketRole) async throws {
        try await withPeer(of: role) { peer, _ in
            peer.abort()
        } _: { connection in
            let (_, error) = try await readToFailure(connection)
            #expect(error?.code == .connectionReset)
        }
    }

    @Test(
        "a peer's violation is told to the program, behind what came before",
        arguments: [WebSocketRole.client, .server]
    )
    func violation(role: WebSocketRole) async throws {
        let frame = Self.frame(to: role, without: 0)
        try await withPeer(of: role) { peer, _ in
            try await peer.write(frame + [0xF2])
            while try await peer.read(atMost: 100) != nil {}
        } _: { connection in
            let (bytes, error) = try await readToFailure(connection)
            #expect(bytes == [1, 2, 3])
            #expect(error?.code == .webSocketViolation)
            #expect(error?.reason == "a reserved bit is set")
        }
    }
}
