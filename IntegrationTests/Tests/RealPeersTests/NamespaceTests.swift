// Names with an address of each family, in a network namespace and with an /etc/hosts of the test's
// own. One address answers; what is sent to another vanishes in a pair of devices that lead nowhere; a
// third has no route.

import Foundation
import RealPeers
import Testing

@Suite(
    "Host names in a network of the test's own",
    .serialized,
    .timeLimit(.minutes(1)),
    .enabled(if: mayMakeNamespaces, "needs root, and a host that lets root make namespaces")
)
struct NamespaceTests {
    private static let hosts = """
        127.0.0.1 localhost
        2001:db8::99 silent6.test
        192.0.2.1 silent6.test
        192.0.2.99 silent4.test
        2001:db8::1 silent4.test
        2001:db8:1::1 unreachable6.test
        192.0.2.1 unreachable6.test
        2001:db8::99 silent.test
        192.0.2.99 silent.test

        """

    private static let network = """
        set -e
        mount --bind "$1" /etc/hosts
        shift
        ip link set lo up
        ip link add near type veth peer name far
        ip link set near up
        ip link set far up
        ip address add 192.0.2.1/24 dev near
        ip address add 2001:db8::1/64 dev near nodad
        ip neighbour add 192.0.2.99 lladdr 02:00:00:00:00:99 dev near nud permanent
        ip neighbour add 2001:db8::99 lladdr 02:00:00:00:00:99 dev near nud permanent
        ip route add unreachable 2001:db8:1::/64
        exec "$@"
        """

    /// Connects to a name, and answers who answered and after how many milliseconds.
    private func connect(
        to name: String,
        _ count: Int,
        timeout: String = "30"
    ) async throws -> [(milliseconds: Int, result: String)] {
        try await Peers.scope { peers in
            let hosts = try peers.file("hosts", Array(Self.hosts.utf8))
            let program = URL(fileURLWithPath: CommandLine.arguments[0])
                .deletingLastPathComponent().appendingPathComponent("timed-connect").path
            let process = try peers.start(
                ["unshare", "-n", "-m", "sh", "-c", Self.network, "sh", hosts]
                    + [program, "tcp6:0", name, "\(count)", timeout]
            )
            _ = try await process.output.toEnd()
            let status = try await process.waitForExit()
            try #require(status == .status(0), "\(process.errors.text)")
            return process.output.lines.map { line in
                let words = line.split(separator: " ", maxSplits: 1)
                return (Int(words[0]) ?? -1, String(words[1]))
            }
        }
    }

    /// The attempt delay, and what the machine may add to it where it is not busy: of ten the fastest.
    private let limit = 250 + 100

    @Test("an IPv6 address that is silent costs the attempt delay, and IPv4 wins")
    func silent6() async throws {
        let times = try await connect(to: "silent6.test", 10)
        #expect(times.map(\.result) == [String](repeating: "192.0.2.1", count: 10))
        #expect(times.allSatisfy { $0.milliseconds >= 250 }, "\(times)")
        #expect(try #require(times.map(\.milliseconds).min()) < limit, "\(times)")
    }

    @Test("an IPv4 address that is silent costs nothing, for IPv6 is first")
    func silent4() async throws {
        let times = try await connect(to: "silent4.test", 10)
        #expect(times.map(\.result) == [String](repeating: "2001:db8::1", count: 10))
        #expect(try #require(times.map(\.milliseconds).min()) < 100, "\(times)")
    }

    @Test("an IPv6 address without a route costs nothing, for the next follows a failure at once")
    func unreachable6() async throws {
        let times = try await connect(to: "unreachable6.test", 10)
        #expect(times.map(\.result) == [String](repeating: "192.0.2.1", count: 10))
        #expect(try #require(times.map(\.milliseconds).min()) < 100, "\(times)")
    }

    @Test("where both are silent, the one error at the time limit lists both")
    func silent() async throws {
        let times = try await connect(to: "silent.test", 1, timeout: "0.6")
        let error = try #require(times.first?.result)
        #expect(error.contains("timed out"), "\(error)")
        #expect(error.contains("2001:db8::99"), "\(error)")
        #expect(error.contains("192.0.2.99"), "\(error)")
        #expect(times[0].milliseconds >= 600)
    }
}
