// The two sides of the opening handshake on a connection. What is read behind the head belongs to the
// frames, and is handed on. A client that is refused is told why, in HTTP, before the connection ends.

import Endpoints

extension Connection {
    /// Asks the peer for a WebSocket.
    func askForWebSocket(host: String, path: String, endpoint: String) async throws -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        let key = WebSocketHandshake.makeKey(using: &random)
        try await write(WebSocketHandshake.request(host: host, path: path, key: key))
        do {
            let (_, rest) = try await readHead(of: endpoint) { bytes throws(Refusal) in
                try WebSocketHandshake.readResponse(bytes, key: key)
            }
            return rest
        } catch let refusal as Refusal {
            throw failure(endpoint, refusal.description)
        }
    }

    /// Answers a client that asks for a WebSocket.
    func answerWebSocket(
        accepting check: @Sendable (WebSocketHandshake.Request) throws(Refusal) -> Void,
        endpoint: String
    ) async throws -> [UInt8] {
        do {
            let (request, rest) = try await readHead(of: endpoint) { bytes throws(Refusal) in
                try WebSocketHandshake.readRequest(bytes)
            }
            try check(request)
            try await write(WebSocketHandshake.response(key: request.key))
            return rest
        } catch let refusal as Refusal {
            try await write(refusal.response)
            await close()
            throw failure(endpoint, "\(refusal.description) (answered \(refusal.status))")
        }
    }

    typealias Refusal = WebSocketHandshake.Refusal

    private func readHead<Head: Hashable & Sendable>(
        of endpoint: String,
        _ parse: ([UInt8]) throws(Refusal) -> WebSocketHandshake.Progress<Head>
    ) async throws -> (head: Head, rest: [UInt8]) {
        var bytes: [UInt8] = []
        while true {
            if case .complete(let head, let consumed) = try parse(bytes) {
                return (head, Array(bytes[consumed...]))
            }
            guard let more = try await read(atMost: WebSocketHandshake.limit) else {
                throw failure(endpoint, "the peer closed within its head", code: .unexpectedEnd)
            }
            bytes += more
        }
    }

    private func failure(
        _ endpoint: String,
        _ reason: String,
        code: EndpointError.Code = .handshakeFailed
    ) -> EndpointError {
        EndpointError(
            code,
            operation: "WebSocket handshake",
            endpoint: endpoint,
            reason: reason,
            phase: .handshake
        )
    }
}
