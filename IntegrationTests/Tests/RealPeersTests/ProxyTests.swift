// Proxies of others between a client and a server of ours.

import Endpoints
import RealPeers
import Testing

@Suite("SOCKS 5 and HTTP proxies", .serialized, .timeLimit(.minutes(1)))
struct ProxyTests {
    /// A client's kind, and the proxy that speaks it.
    enum Kind: String, CaseIterable, CustomTestStringConvertible {
        case socks5, connect

        var testDescription: String { rawValue }

        /// Starts the proxy, and answers what follows the target in a string.
        func start(_ peers: Peers, to ports: [Int]) async throws -> String {
            switch self {
            case .socks5:
                let port = try await peers.dante(user: ("tester", "secret"))
                return "proxy=[tcp:127.0.0.1:\(port)]"
            case .connect:
                let port = try await peers.tinyproxy(
                    user: "tester",
                    password: "secret",
                    to: ports
                )
                return "proxy=[tcp:127.0.0.1:\(port)]"
            }
        }
    }

    /// Those that can be started here: Dante's users are those of its host.
    static let kinds: [Kind] = mayMakeNamespaces ? Kind.allCases : [.connect]

    private let right = "user=tester:password=secret"

    @Test("bytes and both ends go through it, to a name and to an address", arguments: kinds)
    func through(kind: Kind) async throws {
        try await Peers.scope { peers in
            try await Ours.library.withEcho(at: "tcp:0:interface=127.0.0.1", peers) { address in
                guard case .tcp(_, let port) = address, let number = Int(port) else { return }
                let proxy = try await kind.start(peers, to: [number])
                let bytes = seededBytes(1_000_000)
                let data = try peers.file("data", bytes)
                for host in ["127.0.0.1", "localhost"] {
                    let string = "\(kind.rawValue):\(host):\(port):\(proxy):\(right)"
                    try await clientFromString(string).withConnection { connection in
                        async let sent: Void = connection.write(bytes)
                        expectSame(try await connection.read(exactly: bytes.count), bytes)
                        try await sent
                        try await connection.closeWrite()
                        #expect(try await connection.read(atMost: 1) == nil)
                    }
                    // tinyproxy takes the client's end for the end of both directions.
                    if kind == .connect { continue }
                    let answer = try await Ours.tool.exchange(string, sending: data, peers)
                    expectSame(answer, bytes)
                }
            }
        }
    }

    @Test("TLS through it is between us and the server", arguments: kinds)
    func tls(kind: Kind) async throws {
        try await Peers.scope { peers in
            let certificate = try await peers.makeCertificate()
            let server = """
                tls:0:interface=127.0.0.1:privateKey=\(certificate.key)\
                :certificate=\(certificate.certificate)
                """
            let listener = try await serverFromString(server).listen()
            let port = Int(try #require(listener.addresses[0].port))
            let proxy = try await kind.start(peers, to: [port])
            let accepting = Task { await first(of: listener) }
            let string = """
                tls:localhost:\(port):trustRoots=\(certificate.certificate)\
                :endpoint=[\(kind.rawValue):localhost:\(port):\(proxy):\(right)]
                """
            try await clientFromString(string).withConnection { near in
                let far = try #require(await accepting.value)
                #expect(near.tls?.version == .tls13)
                try await near.write("hello".utf8)
                #expect(try await far.read(exactly: 5) == Array("hello".utf8))
                try await far.write("there".utf8)
                #expect(try await near.read(exactly: 5) == Array("there".utf8))
                await far.close()
            }
            await listener.close()
        }
    }

    @Test("a wrong password, and none, are refused for what they are", arguments: kinds)
    func password(kind: Kind) async throws {
        try await Peers.scope { peers in
            let port = try peers.freePort()
            let proxy = try await kind.start(peers, to: [port])
            let target = "\(kind.rawValue):127.0.0.1:\(port):\(proxy)"
            let error = try await failure("\(target):user=tester:password=wrong")
            #expect(error.code == .permissionDenied)
            #expect("\(error)".contains("password"), "\(error)")
            #expect(!"\(error)".contains("wrong"), "\(error)")
            let without = try await failure(target)
            #expect("\(without)".contains("user"), "\(without)")
        }
    }

    @Test(
        "a target that refuses, or has no address, is told in the proxy's words",
        arguments: kinds
    )
    func refused(kind: Kind) async throws {
        try await Peers.scope { peers in
            let port = try peers.freePort()
            let proxy = try await kind.start(peers, to: [port])
            let refused = try await failure(
                "\(kind.rawValue):127.0.0.1:\(port):\(proxy):\(right)"
            )
            let unknown = try await failure(
                "\(kind.rawValue):nowhere.invalid:\(port):\(proxy):\(right)"
            )
            switch kind {
            case .socks5:
                #expect(refused.code == .connectionRefused)
                #expect("\(refused)".contains("the proxy says: connection refused"))
                #expect(unknown.code == .unreachable)
                #expect("\(unknown)".contains("the proxy says: host unreachable"))
            case .connect:
                for error in [refused, unknown] {
                    #expect(error.code == .proxyRefused)
                    #expect("\(error)".contains(#"500 "Unable to connect""#), "\(error)")
                }
            }
        }
    }

    @Test("a port that the HTTP proxy does not allow is refused with its status")
    func notAllowed() async throws {
        try await Peers.scope { peers in
            let port = try peers.freePort()
            let proxy = try await Kind.connect.start(peers, to: [port])
            let error = try await failure("connect:127.0.0.1:22:\(proxy):\(right)")
            #expect(error.code == .permissionDenied)
            #expect("\(error)".contains("403"), "\(error)")
        }
    }

    @Test("Dante without users takes anybody")
    func withoutUsers() async throws {
        try await Peers.scope { peers in
            try await Ours.library.withEcho(at: "tcp:0:interface=127.0.0.1", peers) { address in
                guard case .tcp(_, let port) = address else { return }
                let dante = try await peers.dante(user: nil)
                let data = try peers.file("data", Array("hello".utf8))
                let string = "socks5:localhost:\(port):proxy=[tcp:127.0.0.1:\(dante)]"
                let answer = try await Ours.tool.exchange(string, sending: data, peers)
                #expect(answer == Array("hello".utf8))
            }
        }
    }

    private func failure(_ string: String) async throws -> EndpointError {
        let client = try clientFromString(string)
        return try #require(
            await #expect(throws: EndpointError.self) {
                try await client.withConnection { _ in }
            }
        )
    }
}
