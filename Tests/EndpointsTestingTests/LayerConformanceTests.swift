import Endpoints
import EndpointsTesting
import Testing

@Suite("Conformance of kinds that stand on others", .serialized, .timeLimit(.minutes(5)))
struct LayerConformanceTests {
    private let limit = Duration.seconds(60)

    /// What no stream over TLS can do as the suite asks it.
    private let beyondTLS = [
        "what nobody took is closed with the listener":
            "there is no handshake, and so no connection, before somebody accepts",
        "the end is told to all who wait for it, and remembered":
            "close_notify comes in the stream, and is found when the bytes before it are read",
    ]

    /// Runs the suite against TLS; `PATH` in a string is the certificate's file, `PORT` the listener's.
    private func verifyTLS(_ server: String, reachedBy client: String) async throws {
        let certificate = try await TestCertificate()
        let path = certificate.path
        let report = try await verifyEndpoint(
            try serverFromString(server.replacing("PATH", with: path)),
            skipping: beyondTLS,
            timeout: limit
        ) { listener in
            let port = "\(listener.addresses.first?.port ?? 0)"
            return try clientFromString(
                client.replacing("PATH", with: path).replacing("PORT", with: port)
            )
        }
        #expect(Set(report.skipped.map(\.check)) == Set(beyondTLS.keys))
        _ = certificate
    }

    /// Runs the suite through a proxy; `client` is what goes through it to a port.
    private func verify(
        through kind: TestProxy.Kind,
        client: @escaping @Sendable (UInt16, any ClientEndpoint) -> any ClientEndpoint
    ) async throws {
        let proxy = try await TestProxy(kind)
        let way = proxy.client
        let report = try await verifyEndpoint(
            .tcp(port: 0, interface: "127.0.0.1"),
            timeout: limit
        ) { listener in
            client(listener.addresses.first?.port ?? 0, way)
        }
        #expect(report.skipped.isEmpty)
        await proxy.close()
    }

    @Test("tls passes the whole suite")
    func tls() async throws {
        try await verifyTLS(
            "tls:0:interface=127.0.0.1:privateKey=PATH:certificate=PATH",
            reachedBy: "tls:127.0.0.1:PORT:trustRoots=PATH"
        )
    }

    @Test("haproxy passes the whole suite")
    func haproxy() async throws {
        let server = try serverFromString("haproxy:tcp:0:interface=127.0.0.1")
        let report = try await verifyEndpoint(server, timeout: limit) { listener in
            try #require(listener.clientEndpoints.first)
        }
        #expect(report.skipped.isEmpty)
    }

    @Test("haproxy with tls passes the whole suite")
    func haproxyTLS() async throws {
        try await verifyTLS(
            "haproxy:tls:0:interface=127.0.0.1:privateKey=PATH:certificate=PATH",
            reachedBy: "tls:127.0.0.1:PORT:trustRoots=PATH:endpoint=[haproxy:tcp:127.0.0.1:PORT]"
        )
    }

    @Test("socks5 passes the whole suite, through a proxy that passes on what comes")
    func socks5() async throws {
        try await verify(through: .socks5) { port, way in
            SOCKS5ClientEndpoint(host: "127.0.0.1", port: port, proxy: way)
        }
    }

    @Test("connect passes the whole suite, through a proxy that passes on what comes")
    func connect() async throws {
        try await verify(through: .connect) { port, way in
            HTTPConnectClientEndpoint(host: "127.0.0.1", port: port, proxy: way)
        }
    }
}
