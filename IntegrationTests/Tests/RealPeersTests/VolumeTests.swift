// Much through the whole stack, both ways at once. RELAY_MEBIBYTES says how much; 128 unless told.

import Foundation
import RealPeers
import Testing

@Suite("Volume", .serialized, .timeLimit(.minutes(10)))
struct VolumeTests {
    private static let mebibytes =
        ProcessInfo.processInfo.environment["RELAY_MEBIBYTES"].flatMap(Int.init) ?? 128

    @Test("a relay of a PROXY header and TLS to a UNIX socket carries all, both ways at once")
    func relay() async throws {
        try await Peers.scope { peers in
            let (up, down) = (peers.path("up"), peers.path("down"))
            for path in [up, down] {
                let size = "\(Self.mebibytes)M"
                let head = try peers.start("head", "-c", size, "/dev/urandom", outputFile: path)
                #expect(try await head.waitForExit(within: 300) == .status(0))
            }
            let certificate = try await peers.makeCertificate()
            let upstream = peers.path("upstream.sock")
            // Reads one file into the connection, and the connection into another.
            let socat = try peers.start(
                ["socat", "-d", "-d", "-b", "65536", "-t", "300", "UNIX-LISTEN:\(upstream)"]
                    + ["OPEN:\(down),rdonly!!CREATE:\(peers.path("got up"))"]
            )
            _ = try await socat.errors.firstLine { $0.contains("listening") ? true : nil }
            let relay = try peers.tool(
                "relay",
                "--json",
                """
                haproxy:from=127.0.0.1:tls:0:interface=127.0.0.1:privateKey=\(certificate.key)\
                :certificate=\(certificate.certificate)
                """,
                "unix:\(upstream)"
            )
            let port = try await relay.output.firstLine { line in
                line.firstMatch(of: /port=(\d+)/).map { String($0.1) }
            }
            let client = try peers.tool(
                "connect",
                """
                tls:localhost:\(port):trustRoots=\(certificate.certificate)\
                :endpoint=[haproxy:source=[192.0.2.7:1234]:tcp:127.0.0.1:\(port)]
                """,
                input: .file(up),
                outputFile: peers.path("got down")
            )
            #expect(try await client.waitForExit(within: 500) == .status(0))
            #expect(try await socat.waitForExit(within: 60) == .status(0))
            let report = try await relay.output.firstLine { line in
                line.contains(#""event":"closed""#) ? line : nil
            }
            let count = Self.mebibytes << 20
            #expect(report.contains(#""received":\#(count),"sent":\#(count),"#), "\(report)")
            relay.send(SIGTERM)
            #expect(try await relay.waitForExit() == .status(0))

            let files = [up, peers.path("got up"), down, peers.path("got down")]
            let sums = try peers.start(["sha256sum"] + files)
            _ = try await sums.output.toEnd(within: 300)
            #expect(try await sums.waitForExit() == .status(0))
            let digests = sums.output.lines.map { $0.prefix(64) }
            #expect(digests.count == 4)
            #expect(digests[0] == digests[1])
            #expect(digests[2] == digests[3])
            #expect(digests[0] != digests[2])
        }
    }
}
