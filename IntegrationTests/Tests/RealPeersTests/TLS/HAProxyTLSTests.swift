// HAProxy's TLS on both sides of ours. It listens at paths, where no port can be taken by somebody else.

import Endpoints
import RealPeers
import Testing

@Suite("HAProxy's TLS", .serialized, .timeLimit(.minutes(1)))
struct HAProxyTLSTests {
    /// Starts HAProxy, and waits until it serves.
    private func haproxy(_ peers: Peers, _ configuration: String) async throws -> ChildProcess {
        let text = """
            defaults
                mode tcp
                timeout connect 10s
                timeout client 60s
                timeout server 60s
            \(configuration)

            """
        let file = try peers.file("haproxy.cfg", Array(text.utf8))
        let haproxy = try peers.start("haproxy", "-W", "-db", "-f", file)
        _ = try await haproxy.errors.firstLine { $0.contains("Loading success") ? $0 : nil }
        return haproxy
    }

    @Test("our client at its TLS, behind which our server speaks in the clear")
    func frontend() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let plain = peers.path("plain.sock")
            let secure = peers.path("secure.sock")
            _ = try await haproxy(
                peers,
                """
                frontend secure
                    bind unix@\(secure) ssl crt \(certificates.file("localhost.both")) \
                alpn h2,http/1.1 verify required ca-file \(certificates.authority)
                    default_backend plain
                backend plain
                    server ours unix@\(plain)
                """
            )
            try await withServer(UNIXServerEndpoint(path: plain), echo) { _, _ in
                var client = certificates.client("alice")
                client.applicationProtocols = ["http/1.1", "h2"]
                var endpoint = try certificates.endpoint("443", client)
                endpoint.endpoint = UNIXClientEndpoint(path: secure)
                for round in 0..<2 {
                    try await endpoint.withConnection { connection in
                        #expect(connection.tls?.applicationProtocol == "h2")
                        #expect(connection.tls?.isResumed == (round == 1))
                        async let sent: Void = connection.write(tenMebibytes)
                        let came = try await connection.read(exactly: tenMebibytes.count)
                        expectSame(came, tenMebibytes)
                        try await sent
                    }
                }
                var stranger = endpoint
                stranger.configuration = certificates.client()
                let anonymous = stranger
                let error = await #expect(throws: EndpointError.self) {
                    try await anonymous.withConnection { _ = try await $0.read(atMost: 1) }
                }
                #expect(error?.code == .handshakeFailed)
                #expect(error?.description.contains("wants a certificate of ours") == true)
            }
        }
    }

    @Test("its client at our TLS, verified on both sides, and refused under another name")
    func backend() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let secure = peers.path("secure.sock")
            func server(_ name: String) -> String {
                """
                server ours unix@\(secure) ssl verify required ca-file \(certificates.authority) \
                sni str(\(name)) verifyhost \(name) alpn h2 crt \(certificates.file("alice.both"))
                """
            }
            _ = try await haproxy(
                peers,
                """
                listen good
                    bind unix@\(peers.path("good.sock"))
                    \(server("localhost"))
                listen bad
                    bind unix@\(peers.path("bad.sock"))
                    \(server("other.example"))
                """
            )
            var endpoint = TLSServerEndpoint()
            endpoint.endpoint = UNIXServerEndpoint(path: secure)
            endpoint.configuration = certificates.strictServer()
            endpoint.configuration.applicationProtocols = ["h2"]
            try await withServer(endpoint, tellFacts) { _, listener in
                let good = UNIXClientEndpoint(path: peers.path("good.sock"))
                try await good.withConnection { connection in
                    try await connection.write("facts\n".utf8)
                    for try await line in connection.lines() {
                        #expect(
                            line == "facts: TLS 1.3 alpn=h2 name=localhost resumed=false "
                                + "peer=CN=alice"
                        )
                        break
                    }
                }
                let events = listener.events
                let bad = UNIXClientEndpoint(path: peers.path("bad.sock"))
                try await bad.withConnection { connection in
                    let failure = try await events.nextFailure()
                    #expect(failure.code == .handshakeFailed)
                    let end = try await connection.read(atMost: 1)
                    #expect(end == nil)
                }
            }
        }
    }
}
