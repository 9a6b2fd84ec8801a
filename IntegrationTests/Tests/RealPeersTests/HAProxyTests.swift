// PROXY headers that HAProxy writes, and those that it reads, with addresses that tell who is who.

import Endpoints
import Glibc
import RealPeers
import Testing

@Suite("HAProxy", .serialized, .timeLimit(.minutes(1)))
struct HAProxyTests {
    private let behindProxy = "haproxy:from=127.0.0.1:tcp:0:interface=127.0.0.1"

    /// Connects through what stands before `listener`, sends bytes each way, and tells both ends.
    private func withConnection(
        _ client: String,
        to listener: Listener,
        _ body: (_ near: Connection, _ far: Connection) async throws -> Void
    ) async throws {
        let accepting = Task { await first(of: listener) }
        try await clientFromString(client).withConnection { near in
            try await near.write("hello".utf8)
            let far = try #require(await accepting.value)
            #expect(try await far.read(exactly: 5) == Array("hello".utf8))
            try await far.write("there".utf8)
            #expect(try await near.read(exactly: 5) == Array("there".utf8))
            try await body(near, far)
            await far.close()
        }
        await listener.close()
    }

    @Test(
        "of a client behind it we see the address, in each version and family",
        arguments: [("send-proxy", 1), ("send-proxy-v2", 2)],
        ["127.0.0.1", "[::1]"]
    )
    func received(option: (name: String, version: Int), host: String) async throws {
        try await Peers.scope { peers in
            let listener = try await serverFromString(behindProxy).listen()
            let port = try peers.freePort()
            try await peers.haproxy(
                """
                frontend front
                    bind \(host):\(port)
                    default_backend back
                backend back
                    server ours \(listener.addresses[0]) \(option.name)
                """
            )
            try await withConnection("tcp:\(host):\(port)", to: listener) { near, far in
                #expect(far.remoteAddress == near.localAddress)
                #expect(far.localAddress == near.remoteAddress)
                let proxy = try #require(far.proxy)
                #expect(proxy.header.version.rawValue == option.version)
                #expect(proxy.realRemoteAddress.ip == "127.0.0.1")
                #expect(proxy.realRemoteAddress != near.localAddress)
                #expect(proxy.realLocalAddress == listener.addresses[0])
            }
        }
    }

    @Test("of a client's TLS we see version, cipher, certificate and the name it asked for")
    func ssl() async throws {
        try await Peers.scope { peers in
            let server = try await peers.makeCertificate()
            let client = try await peers.makeCertificate(commonName: "a-client")
            let listener = try await serverFromString(behindProxy).listen()
            let port = try peers.freePort()
            try await peers.haproxy(
                """
                frontend front
                    bind 127.0.0.1:\(port) ssl crt \(server.combined) ca-file \
                \(client.certificate) verify optional alpn echo
                    default_backend back
                backend back
                    server ours \(listener.addresses[0]) send-proxy-v2-ssl proxy-v2-options \
                ssl,cert-cn,cert-key,cert-sig,ssl-cipher,authority,crc32c
                """
            )
            let string = """
                tls:localhost:\(port):endpoint=[tcp:127.0.0.1:\(port)]:alpn=echo\
                :trustRoots=\(server.certificate):certificate=\(client.certificate)\
                :privateKey=\(client.key)
                """
            try await withConnection(string, to: listener) { near, far in
                #expect(far.remoteAddress == near.localAddress)
                let header = try #require(far.proxy?.header)
                #expect(header.authority == "localhost")
                #expect(header.applicationProtocol == Array("echo".utf8))
                #expect(header.value(of: .crc32c)?.count == 4)
                let ssl = try #require(header.ssl)
                #expect(ssl.isClientVerified)
                #expect(ssl.version == "TLSv1.3")
                #expect(ssl.commonName == "a-client")
                #expect(ssl.cipher?.hasPrefix("TLS_") == true)
                #expect(ssl.keyAlgorithm == "EC256")
            }
        }
    }

    @Test("of a client without a certificate we see that none is verified")
    func sslWithoutCertificate() async throws {
        try await Peers.scope { peers in
            let server = try await peers.makeCertificate()
            let listener = try await serverFromString(behindProxy).listen()
            let port = try peers.freePort()
            try await peers.haproxy(
                """
                frontend front
                    bind 127.0.0.1:\(port) ssl crt \(server.combined)
                    default_backend back
                backend back
                    server ours \(listener.addresses[0]) send-proxy-v2-ssl
                """
            )
            let string = "tls:127.0.0.1:\(port):trustRoots=\(server.certificate)"
            try await withConnection(string, to: listener) { near, far in
                #expect(far.remoteAddress == near.localAddress)
                let ssl = try #require(far.proxy?.header.ssl)
                #expect(ssl.client == .ssl)
                #expect(!ssl.isClientVerified)
                #expect(ssl.version == "TLSv1.3")
                #expect(ssl.commonName == nil)
            }
        }
    }

    @Test("the header comes before our own TLS, which goes through it untouched")
    func passedThrough() async throws {
        try await Peers.scope { peers in
            let ours = try await peers.makeCertificate()
            let listener = try await serverFromString(
                """
                haproxy:from=127.0.0.1:tls:0:interface=127.0.0.1:privateKey=\(ours.key)\
                :certificate=\(ours.certificate)
                """
            ).listen()
            let port = try peers.freePort()
            try await peers.haproxy(
                """
                frontend front
                    bind 127.0.0.1:\(port)
                    default_backend back
                backend back
                    server ours \(listener.addresses[0]) send-proxy-v2
                """
            )
            let string = "tls:localhost:\(port):trustRoots=\(ours.certificate)"
            try await withConnection(string, to: listener) { near, far in
                #expect(far.remoteAddress == near.localAddress)
                #expect(far.tls?.version == .tls13)
                #expect(near.tls?.version == .tls13)
            }
        }
    }

    @Test("its health checks come as LOCAL, with the addresses that are real")
    func healthCheck() async throws {
        try await Peers.scope { peers in
            let listener = try await serverFromString(behindProxy).listen()
            let port = try peers.freePort()
            let accepting = Task { await first(of: listener) }
            try await peers.haproxy(
                """
                frontend front
                    bind 127.0.0.1:\(port)
                    default_backend back
                backend back
                    server ours \(listener.addresses[0]) check inter 200ms send-proxy-v2
                """
            )
            let far = try #require(await accepting.value)
            let proxy = try #require(far.proxy)
            #expect(proxy.header.command == .local)
            #expect(proxy.source == nil)
            #expect(far.remoteAddress == proxy.realRemoteAddress)
            await far.close()
            await listener.close()
        }
    }

    @Test(
        "what our client says of another goes through it to our server",
        arguments: [
            ("version=1:", "192.0.2.7:1234", "198.51.100.2:443"),
            ("version=1:", "[2001:db8::7]:1234", "[2001:db8::2]:443"),
            ("", "192.0.2.7:1234", "198.51.100.2:443"),
            ("", "[2001:db8::7]:1", "[2001:db8::2]:65535"),
        ]
    )
    func sent(version: String, source: String, destination: String) async throws {
        try await Peers.scope { peers in
            let listener = try await serverFromString(behindProxy).listen()
            let port = try peers.acceptingProxyHeaders(to: listener)
            try await port.start()
            let string = """
                haproxy:\(version)source=\(quoted(source)):destination=\(quoted(destination))\
                :tcp:127.0.0.1:\(port.number)
                """
            try await withConnection(string, to: listener) { _, far in
                #expect("\(far.remoteAddress)" == source)
                #expect("\(far.localAddress)" == destination)
            }
        }
    }

    @Test("of a connection of our own we say nothing, and it sees who we are", arguments: [1, 2])
    func sentLocal(version: Int) async throws {
        try await Peers.scope { peers in
            let listener = try await serverFromString(behindProxy).listen()
            let port = try peers.acceptingProxyHeaders(to: listener)
            try await port.start()
            let string = "haproxy:version=\(version):tcp:127.0.0.1:\(port.number)"
            try await withConnection(string, to: listener) { near, far in
                #expect(far.remoteAddress == near.localAddress)
            }
        }
    }

    @Test("the tool between two of them passes the true client on")
    func relayed() async throws {
        try await Peers.scope { peers in
            let listener = try await serverFromString(behindProxy).listen()
            let inner = try peers.acceptingProxyHeaders(to: listener)
            let outer = try peers.freePort()
            let path = peers.path("relay.sock")
            let relay = try peers.tool(
                "relay",
                "haproxy:from=unix:unix:\(path)",
                "haproxy:version=1:tcp:127.0.0.1:\(inner.number)"
            )
            _ = try await relay.output.firstLine { $0.hasPrefix("listening ") ? true : nil }
            try await peers.haproxy(
                """
                \(inner.sections)
                frontend outer
                    bind 127.0.0.1:\(outer)
                    default_backend relay
                backend relay
                    server relay unix@\(path) send-proxy-v2
                """
            )
            try await withConnection("tcp:127.0.0.1:\(outer)", to: listener) { near, far in
                #expect(far.remoteAddress == near.localAddress)
                #expect(far.localAddress == near.remoteAddress)
            }
            relay.send(SIGTERM)
            #expect(try await relay.waitForExit() == .status(0))
        }
    }
}

/// A frontend of HAProxy that wants headers, before a server of ours that wants them too.
private struct AcceptingProxyHeaders {
    let peers: Peers
    let number: Int
    let sections: String

    func start() async throws { try await peers.haproxy(sections) }
}

extension Peers {
    fileprivate func acceptingProxyHeaders(
        to listener: Listener
    ) throws -> AcceptingProxyHeaders {
        let port = try freePort()
        let sections = """
            frontend accepting
                bind 127.0.0.1:\(port) accept-proxy
                default_backend ours
            backend ours
                server ours \(listener.addresses[0]) send-proxy-v2
            """
        return AcceptingProxyHeaders(peers: self, number: port, sections: sections)
    }
}
