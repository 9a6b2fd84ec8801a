import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("haproxy endpoints", .certificates, .timeLimit(.minutes(1)))
struct ProxyEndpointTests {
    private func server(_ string: String) async throws -> (Listener, any ClientEndpoint) {
        let listener = try await serverFromString(string).listen()
        let address = try #require(listener.addresses.first)
        return (listener, try #require(address.client))
    }

    /// The first connection that is refused.
    private func failure(
        in events: AsyncStream<ListenerEvent>
    ) async throws -> (SocketAddress?, EndpointError) {
        for await event in events {
            guard case .failed(let peer, let error) = event else { continue }
            return (peer, try #require(error as? EndpointError))
        }
        throw CancellationError()
    }

    @Test(
        "the header's addresses are the connection's, the real ones are kept, no byte is swallowed"
    )
    func facts() async throws {
        let (listener, client) = try await server("haproxy:tcp:0:interface=127.0.0.1")
        let text = "PROXY TCP4 192.0.2.1 198.51.100.7 49152 443\r\nPROXY hello"
        try await client.withConnection { peer in
            try await peer.write(text.utf8)
            let found = await listener.accept()
            let connection = try #require(found)
            #expect("\(connection.remoteAddress)" == "192.0.2.1:49152")
            #expect("\(connection.localAddress)" == "198.51.100.7:443")
            #expect(connection.proxy?.source?.ip == "192.0.2.1")
            #expect(connection.proxy?.realRemoteAddress == peer.localAddress)
            #expect(connection.proxy?.realLocalAddress == peer.remoteAddress)
            #expect(connection.timeline.proxy != nil)
            #expect(try await connection.read(exactly: 11) == Array("PROXY hello".utf8))
            await connection.close()
        }
        await listener.close()
    }

    @Test("a header may come in pieces of any size, in both versions", arguments: [1, 7, 16, 50])
    func pieces(size: Int) async throws {
        let (listener, client) = try await server("haproxy:tcp:0:interface=127.0.0.1")
        let source = try SocketAddress(ip: "2001:db8::1", port: 1)
        let target = try SocketAddress(ip: "2001:db8::2", port: 2)
        for version in [ProxyHeader.Version.v1, .v2] {
            let header = ProxyHeader(source: source, destination: target, version: version)
            let bytes = try header.serialized() + Array("rest".utf8)
            try await client.withConnection { peer in
                async let accepted = listener.accept()
                var start = 0
                while start < bytes.count {
                    let end = min(start + size, bytes.count)
                    try await peer.write(Array(bytes[start..<end]))
                    start = end
                }
                let connection = try #require(await accepted)
                #expect(connection.remoteAddress == source)
                #expect(connection.localAddress == target)
                #expect(try await connection.read(exactly: 4) == Array("rest".utf8))
                await connection.close()
            }
        }
        await listener.close()
    }

    @Test("LOCAL and UNKNOWN leave the real addresses", arguments: ["", "version=1:"])
    func local(arguments: String) async throws {
        let (listener, inner) = try await server("haproxy:tcp:0:interface=127.0.0.1")
        let client = try clientFromString("haproxy:\(arguments)\(inner)")
        try await client.withConnection { peer in
            let connection = try #require(await listener.accept())
            #expect(connection.remoteAddress == peer.localAddress)
            #expect(connection.proxy?.source == nil)
            #expect(connection.proxy?.header.command == .local)
            await connection.close()
        }
        await listener.close()
    }

    @Test("a source that is not trusted is refused before it has said a word", .tags(.security))
    func untrusted() async throws {
        let (listener, client) = try await server(
            "haproxy:from=192.0.2.0/24:tcp:0:interface=127.0.0.1"
        )
        let events = listener.events
        let accepting = Task { await listener.accept() }
        // The reset may be there before connect has looked.
        let peer = try? await client.connect()
        let (address, error) = try await failure(in: events)
        if let peer { #expect(address == peer.localAddress) }
        #expect(error.code == .sourceNotTrusted)
        #expect("\(error)".contains("192.0.2.0/24"))
        await peer?.close()
        await listener.close()
        #expect(await accepting.value == nil)
    }

    @Test("a stream without a header is reset, and told with the real peer", .tags(.security))
    func invalid() async throws {
        let (listener, client) = try await server(
            "haproxy:from=127.0.0.1:tcp:0:interface=127.0.0.1"
        )
        let events = listener.events
        let accepting = Task { await listener.accept() }
        try await client.withConnection { peer in
            try await peer.write("GET / HTTP/1.1\r\n".utf8)
            let (address, error) = try await failure(in: events)
            #expect(address == peer.localAddress)
            #expect(error.code == .proxyHeaderInvalid)
            #expect("\(error)".contains("PROXY header from \(peer.localAddress): expected"))
            await #expect(throws: EndpointError.self) { try await peer.read(exactly: 1) }
        }
        await listener.close()
        #expect(await accepting.value == nil)
    }

    @Test("a peer that is silent is given up after the time-out")
    func silent() async throws {
        let (listener, client) = try await server(
            "haproxy:timeout=0.02:tcp:0:interface=127.0.0.1"
        )
        let events = listener.events
        let accepting = Task { await listener.accept() }
        try await client.withConnection { _ in
            let (_, error) = try await failure(in: events)
            #expect(error.code == .timedOut)
            #expect("\(error)".contains("PROXY header from 127.0.0.1"))
        }
        await listener.close()
        #expect(await accepting.value == nil)
    }

    @Test("a relayed client is named by the header that is sent", arguments: ["1", "2"])
    func relayed(version: String) async throws {
        let (front, client) = try await server("tcp:0:interface=127.0.0.1")
        let (back, inner) = try await server("haproxy:from=127.0.0.1:tcp:0:interface=127.0.0.1")
        let upstream = try clientFromString("haproxy:version=\(version):\(inner)")
        try await client.withConnection { peer in
            let middle = try #require(await front.accept())
            let context = EndpointContext().relaying(middle)
            try await upstream.withConnection(in: context) { _ in
                let connection = try #require(await back.accept())
                #expect(connection.remoteAddress == peer.localAddress)
                #expect(connection.localAddress == middle.localAddress)
                await connection.close()
            }
            await middle.close()
        }
        await front.close()
        await back.close()
    }

    @Test("a source that is given is named")
    func givenSource() async throws {
        let (listener, inner) = try await server("haproxy:tcp:0:interface=127.0.0.1")
        let string = "haproxy:source=[[2001:db8::7]:5]:destination=[192.0.2.9:80]:\(inner)"
        let client = try clientFromString(string)
        #expect("\(try clientFromString("\(client)"))" == "\(client)")
        try await client.withConnection { _ in
            let connection = try #require(await listener.accept())
            #expect("\(connection.remoteAddress)" == "[2001:db8::7]:5")
            #expect("\(connection.localAddress)" == "192.0.2.9:80")
            await connection.close()
        }
        await listener.close()
    }

    @Test(
        "wrong strings are refused",
        arguments: [
            ("haproxy:from=10.1.2.3/8:tcp:80", "bits set behind its prefix"),
            ("haproxy:from=example.com:tcp:80", "not an IP address"),
            ("haproxy:", "endpoint"),
        ]
    )
    func wrongStrings(string: String, reason: String) {
        do {
            _ = try serverFromString(string)
            Issue.record("accepted")
        } catch {
            #expect("\(error)".contains(reason))
        }
    }

    @Test("the listener tells by which client it is reached, header included")
    func reachable() async throws {
        let (listener, _) = try await server("haproxy:tcp:0")
        let endpoint = try #require(listener.clientEndpoints.first)
        #expect("\(endpoint)".hasPrefix("haproxy:tcp:host=127.0.0.1:port="))
        try await endpoint.withConnection { _ in
            let connection = try #require(await listener.accept())
            await connection.close()
        }
        await listener.close()
    }

    @Test(
        "the header comes in the clear before TLS, and the certificate is for the client behind it"
    )
    func beforeTLS() async throws {
        await CertificateZoo.prepare()
        let zoo = try TLSTesting.zoo()
        let key = zoo.file("localhost.key")
        let certificate = zoo.file("localhost.pem")
        let (listener, inner) = try await server(
            "haproxy:from=127.0.0.1:tls:0:interface=127.0.0.1:privateKey=\(key):certKey=\(certificate)"
        )
        let source = "haproxy:source=[192.0.2.1:7]:\(inner)"
        let roots = zoo.file("ca.pem")
        let client = try clientFromString(
            "tls:localhost:443:trustRoots=\(roots):endpoint=[\(source)]"
        )
        let accepting = Task { await listener.accept() }
        try await client.withConnection { peer in
            let connection = try #require(await accepting.value)
            #expect("\(connection.remoteAddress)" == "192.0.2.1:7")
            #expect(connection.tls != nil)
            #expect(connection.proxy?.realRemoteAddress.ip == "127.0.0.1")
            #expect(connection.timeline.proxy != nil && connection.timeline.handshake != nil)
            try await peer.write([1, 2])
            #expect(try await connection.read(exactly: 2) == [1, 2])
            await connection.close()
        }
        let reached = try #require(listener.clientEndpoints.first)
        #expect("\(reached)".hasPrefix("tls:host=localhost:port="))
        #expect("\(reached)".contains("endpoint=[haproxy:tcp:host=127.0.0.1"))
        await listener.close()
    }
}
