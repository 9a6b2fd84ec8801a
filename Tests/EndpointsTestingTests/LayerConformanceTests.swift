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

    @Test("tls passes the whole suite")
    func tls() async throws {
        let certificate = try await TestCertificate()
        let path = certificate.path
        let server = try serverFromString(
            "tls:0:interface=127.0.0.1:privateKey=\(path):certificate=\(path)"
        )
        let report = try await verifyEndpoint(
            server,
            skipping: beyondTLS,
            timeout: limit
        ) { listener in
            TLSClientEndpoint(
                host: "127.0.0.1",
                port: listener.addresses.first?.port ?? 0,
                TLSClientConfiguration(trustRoots: .file(path))
            )
        }
        #expect(Set(report.skipped.map(\.check)) == Set(beyondTLS.keys))
        _ = certificate
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
        let certificate = try await TestCertificate()
        let path = certificate.path
        let server = try serverFromString(
            "haproxy:tls:0:interface=127.0.0.1:privateKey=\(path):certificate=\(path)"
        )
        let report = try await verifyEndpoint(
            server,
            skipping: beyondTLS,
            timeout: limit
        ) { listener in
            let port = listener.addresses.first?.port ?? 0
            return try clientFromString(
                "tls:127.0.0.1:\(port):trustRoots=\(path):endpoint=[haproxy:tcp:127.0.0.1:\(port)]"
            )
        }
        #expect(Set(report.skipped.map(\.check)) == Set(beyondTLS.keys))
        _ = certificate
    }

    @Test("socks5 passes the whole suite, through a proxy that passes on what comes")
    func socks5() async throws {
        let proxy = try await TestProxy(.socks5)
        let way = proxy.client
        let report = try await verifyEndpoint(
            .tcp(port: 0, interface: "127.0.0.1"),
            timeout: limit
        ) { listener in
            let port = listener.addresses.first?.port ?? 0
            return SOCKS5ClientEndpoint(host: "127.0.0.1", port: port, proxy: way)
        }
        #expect(report.skipped.isEmpty)
        await proxy.close()
    }

    @Test("connect passes the whole suite, through a proxy that passes on what comes")
    func connect() async throws {
        let proxy = try await TestProxy(.connect)
        let way = proxy.client
        let report = try await verifyEndpoint(
            .tcp(port: 0, interface: "127.0.0.1"),
            timeout: limit
        ) { listener in
            let port = listener.addresses.first?.port ?? 0
            return HTTPConnectClientEndpoint(host: "127.0.0.1", port: port, proxy: way)
        }
        #expect(report.skipped.isEmpty)
        await proxy.close()
    }
}
