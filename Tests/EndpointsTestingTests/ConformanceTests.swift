import Endpoints
import EndpointsTesting
import Foundation
import Testing

@Suite("Conformance of our own kinds", .serialized, .timeLimit(.minutes(5)))
struct ConformanceTests {
    private let limit = Duration.seconds(20)
    /// The kernel has no reset for UNIX sockets: the peer of an abort reads an end, unless it had sent
    /// bytes that were not read.
    private let withoutReset = [
        "an abort reads as a reset, and ends all own calls",
        "a reset is noticed without reading",
        "a stream that was cut off does not end as a whole one",
        "a cancelled close aborts",
    ].reduce(into: [:]) { $0[$1] = "a UNIX socket has no reset" }

    @Test("memory pairs pass the connection suite")
    func memoryPair() async throws {
        let report = try await verifyConnection(timeout: limit) {
            Connection.memoryPair()
        }
        #expect(report.skipped.isEmpty)
    }

    @Test("tcp passes the whole suite")
    func tcp() async throws {
        let report = try await verifyEndpoint(
            .tcp(port: 0, interface: "127.0.0.1"),
            timeout: limit
        ) { listener in
            .tcp(host: "127.0.0.1", port: listener.addresses.first?.port ?? 0)
        }
        #expect(report.skipped.isEmpty)
    }

    @Test("tcp6 passes the whole suite")
    func tcp6() async throws {
        let server = TCP6ServerEndpoint(port: 0, interface: "::1")
        let report = try await verifyEndpoint(server, timeout: limit) {
            listener in
            TCP6ClientEndpoint(host: "::1", port: listener.addresses.first?.port ?? 0)
        }
        #expect(report.skipped.isEmpty)
    }

    @Test("unix passes the whole suite")
    func unix() async throws {
        let path = "/tmp/endpoints-conformance.\(getpid())"
        let report = try await verifyEndpoint(
            .unix(path: path),
            .unix(path: path),
            skipping: withoutReset,
            timeout: limit
        )
        #expect(Set(report.skipped.map(\.check)) == Set(withoutReset.keys))
    }
}
