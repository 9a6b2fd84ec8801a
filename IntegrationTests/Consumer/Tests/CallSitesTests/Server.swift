import Endpoints

/// Serves `handler` on a free port of the loopback while `body` runs.
func withServer(
    _ handler: @escaping @Sendable (isolated Connection) async throws -> Void,
    body: (any ClientEndpoint) async throws -> Void
) async throws {
    let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
    let serving = Task { try await listener.serve(handler) }
    let port = listener.addresses[0].port ?? 0
    do { try await body(.tcp(host: "127.0.0.1", port: port)) } catch {
        serving.cancel()
        throw error
    }
    await listener.drain(within: .zero)
    try await serving.value
}

extension ClientEndpoint where Self == TCPClientEndpoint {
    /// A port where nobody listens.
    static func refusing() async throws -> TCPClientEndpoint {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = listener.addresses[0].port ?? 0
        await listener.close()
        return .tcp(host: "127.0.0.1", port: port)
    }
}
