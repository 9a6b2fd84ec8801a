import Endpoints
import RealPeers
import Testing
import WebSocketEndpoint

/// The library's kinds, and WebSocket.
let registry: EndpointRegistry = {
    var registry = EndpointRegistry.standard
    registry.registerWebSocket()
    return registry
}()

/// Serves an echo at a string while `body` runs with the client's endpoint that reaches it.
nonisolated(nonsending)
    func withEcho(
        at server: String,
        _ body: nonisolated(nonsending) (any ClientEndpoint) async throws -> Void
    ) async throws
{
    let listener = try await serverFromString(server, in: registry).listen()
    let serving = Task {
        try await listener.serve { connection in
            for try await chunk in connection { try await connection.write(chunk) }
        }
    }
    do {
        try await body(try #require(listener.clientEndpoints.first))
    } catch {
        serving.cancel()
        throw error
    }
    await listener.close()
    try await serving.value
}

/// Listens, and takes one connection, without a handshake of its own: what the peer of a kind sees.
nonisolated(nonsending)
    func withRawServer(
        _ serve: @escaping @Sendable (Connection) async throws -> Void,
        _ body: nonisolated(nonsending) (any ClientEndpoint) async throws -> Void
    ) async throws
{
    let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
    let serving = Task {
        for await connection in listener {
            try? await serve(connection)
            await connection.close()
        }
    }
    let result: Result<Void, any Error>
    do { result = .success(try await body(try #require(listener.clientEndpoints.first))) } catch {
        result = .failure(error)
    }
    await listener.close()
    await serving.value
    try result.get()
}

/// Sends bytes, half-closes, and reads to the end.
func exchange(_ client: any ClientEndpoint, _ bytes: [UInt8]) async throws -> [UInt8] {
    try await client.withConnection { connection in
        async let sent: Void = {
            try await connection.write(bytes)
            try await connection.closeWrite()
        }()
        var answer: [UInt8] = []
        for try await chunk in connection { answer += chunk }
        try await sent
        return answer
    }
}

extension ChildProcess {
    /// Waits for a line, and answers what stands behind `word` in it.
    func said(_ word: String) async throws -> String {
        try await output.firstLine(within: 60) { line in
            line.hasPrefix("\(word) ") ? String(line.dropFirst(word.count + 1)) : nil
        }
    }
}
