// Descriptors that pass from one process to another, between Twisted and us: what one opens or starts,
// the other adopts. Twisted has these roles: a server on `stdio:` and on an adopted listening socket, a
// client of a program that it starts, and a connection adopted as it is.

import Endpoints
import RealPeers
import Testing

@Suite("Descriptors between Twisted and us", .serialized, .timeLimit(.minutes(3)))
struct TwistedDescriptorTests {
    private let bytes = seededBytes(1_000_000)

    @Test("a Twisted server on stdio: is started by our process:", arguments: Ours.allCases)
    func theirStdio(ours: Ours) async throws {
        try await Peers.scope { peers in
            let data = try peers.file("data", bytes)
            let words = Peers.pythonCommand("twisted_descriptors.py") + ["stdio"]
            let program = ProcessEndpoint(path: words[0], arguments: Array(words.dropFirst()))
            expectSame(try await ours.exchange("\(program)", sending: data, peers), bytes)
        }
    }

    @Test("our server on stdio: is started by Twisted's process endpoint")
    func ourStdio() async throws {
        try await Peers.scope { peers in
            let data = try peers.file("data", bytes)
            let command = ["process", data, Peers.toolPath, "echo", "stdio:"]
            let twisted = try peers.python("twisted_descriptors.py", command)
            expectSame(try await twisted.output.toEnd(), bytes)
            #expect(try await twisted.waitForExit() == .status(0))
        }
    }

    @Test("Twisted and our fd: are the two ends of a pair of sockets")
    func pair() async throws {
        try await Peers.scope { peers in
            let data = try peers.file("data", bytes)
            let command = ["pair", Peers.toolPath, "connect", "fd:3"]
            let twisted = try peers.start(
                Peers.pythonCommand("twisted_descriptors.py") + command,
                input: .file(data)
            )
            expectSame(try await twisted.output.toEnd(), bytes)
            #expect(try await twisted.waitForExit() == .status(0))
        }
    }

    @Test("our fd: serves on a listening socket that Twisted opened", arguments: ["INET", "UNIX"])
    func ourAdopted(family: String) async throws {
        try await Peers.scope { peers in
            let data = try peers.file("data", bytes)
            let path = peers.path("a.sock")
            let command = ["listen", family, data, path, Peers.toolPath, "echo", "fd:3"]
            let twisted = try peers.python("twisted_descriptors.py", command)
            expectSame(try await twisted.output.toEnd(), bytes)
            #expect(try await twisted.waitForExit() == .status(0))
        }
    }

    @Test(
        "the same listening socket is adopted by Twisted and by our fd:, and both reach both",
        arguments: ["INET", "UNIX"]
    )
    func sameSocket(family: String) async throws {
        try await Peers.scope { peers in
            let data = try peers.file("data", bytes)
            let theirs = Peers.pythonCommand("twisted_descriptors.py") + ["adopt", family]
            for server in [theirs, [Peers.toolPath, "echo", "fd:3"]] {
                let (port, path) = (try peers.freePort(), peers.path("\(server.count).sock"))
                let isTCP = family == "INET"
                let address: Address =
                    isTCP ? .tcp(host: "127.0.0.1", port: "\(port)") : .unix(path: path)
                let socket = isTCP ? "127.0.0.1:\(port)" : path
                let listen = ["systemd-socket-activate", "--listen", socket]
                let activated = try peers.start(listen + server)
                _ = try await activated.errors.firstLine { $0.contains("as 3") ? true : nil }
                expectSame(try await Peer.twisted.exchange(address, sending: data, peers), bytes)
                for ours in Ours.allCases {
                    let answer = try await ours.exchange(address.client, sending: data, peers)
                    expectSame(answer, bytes)
                }
            }
        }
    }
}
