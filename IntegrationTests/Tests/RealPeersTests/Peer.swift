// The programs of others, in both roles. Each says in its own words that it listens.

import RealPeers
import Testing

/// A program of somebody else's.
enum Peer: String, CaseIterable, CustomTestStringConvertible {
    case socat, nc, asyncio, twisted

    var testDescription: String { rawValue }

    /// Those that can serve an echo; nc passes its input on and no more.
    static let echoing: [Peer] = [.socat, .asyncio, .twisted]

    /// Starts an echo server, and answers where it listens.
    func echo(at place: Place, _ peers: Peers) async throws -> Address {
        let path = peers.path("theirs.sock")
        let process: ChildProcess
        switch (self, place) {
        case (.twisted, .tcp):
            process = try peers.python("twisted_peer.py", "server", place.server(peers), "echo")
        case (.twisted, .tcp6):
            process = try peers.python(
                "twisted_peer.py",
                "server",
                #"tcp6:0:interface=\:\:1"#,
                "echo"
            )
        case (.twisted, _):
            process = try peers.python("twisted_peer.py", "server", "unix:\(path)", "echo")
        case (.asyncio, .tcp), (.asyncio, .tcp6):
            let host = place == .tcp ? "127.0.0.1" : "::1"
            process = try peers.python("asyncio_peer.py", "server", "tcp", host, "echo")
        case (.asyncio, _):
            process = try peers.python("asyncio_peer.py", "server", "unix", path, "echo")
        default:
            let address =
                switch place {
                case .tcp: "TCP4-LISTEN:0,bind=127.0.0.1,fork"
                case .tcp6: "TCP6-LISTEN:0,bind=[::1],fork"
                case .unix: "UNIX-LISTEN:\(path),fork"
                case .abstract: "ABSTRACT-LISTEN:\(path),fork"
                }
            let socat = try peers.start("socat", "-d", "-d", "-t", "30", address, "EXEC:cat")
            let said = try await socat.errors.firstLine { line in
                line.firstMatch(of: /listening on AF=\d+ .*?(\d+|".*")$/).map { String($0.1) }
            }
            return place.address(peers, said: place == .tcp || place == .tcp6 ? said : path)
        }
        let said = try await process.output.firstLine { line in
            line.hasPrefix("listening ") ? String(line.dropFirst(10)) : nil
        }
        return place.address(peers, said: said)
    }

    /// Connects, sends a file, half-closes, and answers what came back until the end.
    func exchange(_ address: Address, sending path: String, _ peers: Peers) async throws -> [UInt8]
    {
        let process: ChildProcess
        switch self {
        case .socat:
            process = try peers.start("socat", "-t", "30", "-", address.socat, input: .file(path))
        case .nc:
            process = try peers.start(["nc", "-N"] + address.nc, input: .file(path))
        case .asyncio:
            let words = address.asyncio
            process = try peers.python("asyncio_peer.py", "client", words[0], words[1], path)
        case .twisted:
            process = try peers.python("twisted_peer.py", "client", address.twistedClient, path)
        }
        let answer = try await process.output.toEnd()
        #expect(try await process.waitForExit() == .status(0))
        return answer
    }
}
