import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Many TLS clients at once", .certificates, .timeLimit(.minutes(1)))
struct TLSBurstTests {
    @Test("five hundred good clients that come together are all served")
    func burst() async throws {
        var server = try TLSTesting.server()
        server.handshakeTimeout = .seconds(50)
        let listener = try await TLSServerEndpoint(port: 0, interface: "127.0.0.1", server).listen()
        let serving = Task {
            try await listener.serve { connection in
                while let bytes = try await connection.read(atMost: 16) {
                    try await connection.write(bytes)
                }
            }
        }
        var client = TLSClientEndpoint(
            host: "127.0.0.1",
            port: try #require(listener.addresses.first?.port),
            try TLSTesting.client()
        )
        client.timeout = .seconds(50)
        let endpoint = client
        let errors = await withTaskGroup(of: EndpointError?.self) { group in
            for _ in 0..<500 {
                group.addTask {
                    await TLSTesting.failure {
                        try await endpoint.withConnection { connection in
                            try await connection.write([7])
                            #expect(try await connection.read(exactly: 1) == [7])
                        }
                    }
                }
            }
            return await group.reduce(into: [EndpointError]()) { errors, error in
                if let error { errors.append(error) }
            }
        }
        let first = errors.first?.description ?? ""
        #expect(errors.isEmpty, "\(errors.count) failed, the first: \(first)")
        await listener.close()
        try await serving.value
    }
}
