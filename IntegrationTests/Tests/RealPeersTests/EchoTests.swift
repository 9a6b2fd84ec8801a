import RealPeers
import Testing

/// Ten mebibytes: more than any buffer between two processes.
let tenMebibytes = seededBytes(10 << 20)

@Suite("An echo between ours and a peer", .serialized, .timeLimit(.minutes(2)))
struct EchoTests {
    @Test(
        "a peer's client gets its ten mebibytes back from our server, and the end after its own",
        arguments: Ours.allCases.flatMap { ours in Peer.allCases.map { (ours, $0) } },
        [Place.tcp, .tcp6, .unix]
    )
    func ourServer(pair: (ours: Ours, peer: Peer), place: Place) async throws {
        try await Peers.scope { peers in
            let path = try peers.file("data", tenMebibytes)
            try await pair.ours.withEcho(at: place.server(peers), peers) { address in
                let answer = try await pair.peer.exchange(address, sending: path, peers)
                expectSame(answer, tenMebibytes)
            }
        }
    }

    @Test(
        "our client gets its ten mebibytes back from a peer's server, and the end after its own",
        arguments: Ours.allCases.flatMap { ours in Peer.echoing.map { (ours, $0) } },
        [Place.tcp, .tcp6, .unix]
    )
    func ourClient(pair: (ours: Ours, peer: Peer), place: Place) async throws {
        try await Peers.scope { peers in
            let path = try peers.file("data", tenMebibytes)
            let address = try await pair.peer.echo(at: place, peers)
            let answer = try await pair.ours.exchange(address.client, sending: path, peers)
            expectSame(answer, tenMebibytes)
        }
    }

    @Test("abstract names meet socat's, both ways", arguments: Ours.allCases)
    func abstract(ours: Ours) async throws {
        try await Peers.scope { peers in
            let path = try peers.file("data", Array("through the abstract\n".utf8))
            let theirs = try await Peer.socat.echo(at: .abstract, peers)
            let fromTheirs = try await ours.exchange(theirs.client, sending: path, peers)
            #expect(fromTheirs == Array("through the abstract\n".utf8))
            try await ours.withEcho(at: Place.abstract.server(peers), peers) { address in
                let fromOurs = try await Peer.socat.exchange(address, sending: path, peers)
                #expect(fromOurs == Array("through the abstract\n".utf8))
            }
        }
    }
}
