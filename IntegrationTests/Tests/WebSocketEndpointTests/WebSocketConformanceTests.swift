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
    private static let onDemand = [
        "what nobody took is closed with the listener":
            "a listener takes on demand, and connect waits for the answer of who was taken"
    ]
    private static let withoutReset = [
        "an abort reads as a reset, and ends all own calls",
        "a reset is noticed without reading",
    ].reduce(into: onDemand) {
        $0[$1] = "a UNIX socket knows no reset: without a close frame its end is a cut"
    }

    private func verify(_ string: String, skipping: [String: String]) async throws {
        let server = try serverFromString(string, in: registry)
        let report = try await verifyEndpoint(
            server,
            registry: registry,
            skipping: skipping
        ) { listener in
            try #require(listener.clientEndpoints.first)
        }
        #expect(Set(report.skipped.map(\.check)).isSubset(of: skipping.keys))
    }

    @Test("over TCP")
    func tcp() async throws {
        try await verify("websocket:path=/a:tcp:0:interface=127.0.0.1", skipping: Self.onDemand)
    }

    @Test("over a UNIX socket")
    func unix() async throws {
        try await Peers.scope { peers in
            try await verify(
                "websocket:unix:\(peers.path("a.sock"))",
                skipping: Self.withoutReset
            )
        }
    }
}
