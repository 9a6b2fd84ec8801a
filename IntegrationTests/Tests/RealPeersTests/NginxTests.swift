import Endpoints
import RealPeers
import Testing

@Suite("nginx", .serialized, .timeLimit(.minutes(1)))
struct NginxTests {
    @Test("of a client behind it we see the address")
    func received() async throws {
        try await Peers.scope { peers in
            let listener = try await serverFromString(
                "haproxy:from=127.0.0.1:tcp:0:interface=127.0.0.1"
            ).listen()
            let port = try peers.freePort()
            let target = listener.addresses[0]
            try await peers.nginx(
                "server { listen 127.0.0.1:\(port); proxy_pass \(target); proxy_protocol on; }"
            )
            let accepting = Task { await first(of: listener) }
            try await clientFromString("tcp:127.0.0.1:\(port)").withConnection { near in
                let far = try #require(await accepting.value)
                #expect(far.remoteAddress == near.localAddress)
                #expect(far.localAddress == near.remoteAddress)
                #expect(far.proxy?.header.version == .v1)
                #expect(far.proxy?.realRemoteAddress.ip == "127.0.0.1")
                let bytes = seededBytes(1_000_000)
                async let sent: Void = {
                    try await far.write(bytes)
                    try await far.closeWrite()
                }()
                var heard: [UInt8] = []
                for try await chunk in near { heard += chunk }
                try await sent
                #expect(heard == bytes)
                await far.close()
            }
            await listener.close()
        }
    }

    /// A server of ours, and the port of an nginx before it that wants headers and sends them.
    private func withAcceptingNginx(
        _ body: (Listener, _ port: Int) async throws -> Void
    ) async throws {
        try await Peers.scope { peers in
            let listener = try await serverFromString(
                "haproxy:from=127.0.0.1:tcp:0:interface=127.0.0.1"
            ).listen()
            let port = try peers.freePort()
            try await peers.nginx(
                """
                server {
                    listen 127.0.0.1:\(port) proxy_protocol;
                    set_real_ip_from 127.0.0.1;
                    proxy_pass \(listener.addresses[0]);
                    proxy_protocol on;
                }
                """
            )
            try await body(listener, port)
            await listener.close()
        }
    }

    @Test("what our client says of another goes through it to our server", arguments: [1, 2])
    func sent(version: Int) async throws {
        try await withAcceptingNginx { listener, port in
            let accepting = Task { await first(of: listener) }
            let header = "version=\(version):source=[192.0.2.7:1234]:destination=[192.0.2.2:443]"
            let client = try clientFromString("haproxy:\(header):tcp:127.0.0.1:\(port)")
            try await client.withConnection { near in
                try await near.write("hello".utf8)
                let far = try #require(await accepting.value)
                #expect("\(far.remoteAddress)" == "192.0.2.7:1234")
                #expect(try await far.read(exactly: 5) == Array("hello".utf8))
                await far.close()
            }
        }
    }

    @Test("a line in which it mixes IPv6 with its own IPv4 is refused", arguments: [1, 2])
    func mixed(version: Int) async throws {
        try await withAcceptingNginx { listener, port in
            let events = listener.events
            let serving = Task { try await listener.serve { _ in } }
            let source = quoted("[2001:db8::7]:1234")
            let header = "version=\(version):source=\(source):destination=\(source)"
            let client = try clientFromString("haproxy:\(header):tcp:127.0.0.1:\(port)")
            try await client.withConnection { near in
                for await event in events {
                    guard case .failed(_, let error) = event else { continue }
                    #expect("\(error)".contains("expected an IPv6 address"), "\(error)")
                    break
                }
                let read = try? await near.read(atMost: 1)
                #expect(read == nil)
            }
            await listener.close()
            try await serving.value
        }
    }
}
