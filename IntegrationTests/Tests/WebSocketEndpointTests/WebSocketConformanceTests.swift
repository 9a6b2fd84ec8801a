import Endpoints
import EndpointsTesting
import RealPeers
import Testing
import WebSocketEndpoint

@Suite(
    "WebSocket keeps what the library promises of any kind",
    .serialized,
    .timeLimit(.minutes(5))
)
struct WebSocketConformanceTests {
    private func verify(_ string: String) async throws {
        let server = try serverFromString(string, in: registry)
        let report = try await verifyEndpoint(
            server,
            registry: registry,
            skipping: [
                "what nobody took is closed with the listener":
                    "a listener takes on demand, and connect waits for the answer of who was taken"
            ]
        ) { listener in
            try #require(listener.clientEndpoints.first)
        }
        #expect(report.skipped.count <= 1)
    }

    @Test("over TCP")
    func tcp() async throws { try await verify("websocket:path=/a:tcp:0:interface=127.0.0.1") }

    @Test("over a UNIX socket")
    func unix() async throws {
        try await Peers.scope { peers in
            try await verify("websocket:unix:\(peers.path("a.sock"))")
        }
    }
}
