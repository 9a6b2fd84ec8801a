// Bad peers by the thousand, while good ones are served. What is measured is the tool, a process of its
// own, by what the kernel tells of it in /proc.

import Endpoints
import Foundation
import RealPeers
import Testing

@Suite("Bad peers at the tool's TLS", .serialized, .timeLimit(.minutes(4)))
struct TLSChaosTests {
    @Test("ten thousand of all kinds cost no good request, no descriptor, and no memory")
    func chaos() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let tool = try peers.tool(
                "echo",
                "--drain",
                "0.2",
                "--log-level",
                "info",
                "\(certificates.echo):handshakeTimeout=4"
            )
            let port = try await tool.listeningAddress().port
            let endpoint = try certificates.endpoint(port)
            try await Self.exchange(endpoint)
            let descriptors = try tool.descriptorCount()
            // The most handshakes that there may be at once need memory that malloc(3) keeps: that is
            // there before the measurement.
            try await Self.chaos(peers, port, 1100, seed: 1, "stall")
            try await Self.chaos(peers, port, 1000, seed: 1)
            try await Self.expect(descriptors, of: tool, endpoint)
            let memory = try tool.residentKibibytes()

            let isOver = Flag()
            let good = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        var count = 0
                        while !isOver.isSet {
                            try await Self.exchange(endpoint)
                            count += 1
                        }
                        return count
                    }
                }
                try await Self.chaos(peers, port, 10_000, seed: 2)
                isOver.set()
                return try await group.reduce(0, +)
            }
            #expect(good > 100)
            try await Self.expect(descriptors, of: tool, endpoint)
            let growth = try tool.residentKibibytes() - memory
            #expect(growth < 6144)
            let told = tool.errors.text
            for words in [
                "the peer speaks plain HTTP, not TLS; got \"GET / HTTP/1.1",
                "the peer does not speak TLS; got", "in the middle of the handshake",
                "not finished after 4 s", "connection reset by peer",
            ] {
                let isTold = told.contains(words)
                #expect(isTold, "\(words)")
            }
            tool.send(SIGTERM)
            #expect(try await tool.waitForExit(within: 10) == .status(0))
        }
    }

    @Test("a thousand that stall at once are given up, each in time, and keep nobody out")
    func stalls() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let tool = try peers.tool("echo", "\(certificates.echo):handshakeTimeout=0.5")
            let port = try await tool.listeningAddress().port
            let endpoint = try certificates.endpoint(port)
            try await Self.exchange(endpoint)
            let descriptors = try tool.descriptorCount()
            try await Self.chaos(peers, port, 1000, seed: 3, "stall")
            try await Self.expect(descriptors, of: tool, endpoint)
            tool.send(SIGTERM)
            #expect(try await tool.waitForExit(within: 20) == .status(0))
        }
    }

    private static func chaos(
        _ peers: Peers,
        _ port: String,
        _ count: Int,
        seed: Int,
        _ fates: String...
    ) async throws {
        let chaos = try peers.python("tls_chaos.py", [port, "\(count)", "\(seed)"] + fates)
        _ = try await chaos.output.firstLine(within: 200) { $0.hasPrefix("done") ? $0 : nil }
        #expect(try await chaos.waitForExit() == .status(0))
    }

    /// A good request.
    private static func exchange(_ endpoint: TLSClientEndpoint) async throws {
        let bytes = [UInt8](repeating: 7, count: 1000)
        try await endpoint.withConnection { connection in
            try await connection.write(bytes)
            #expect(try await connection.read(exactly: bytes.count) == bytes)
        }
    }

    /// Expects the tool to have so many descriptors, once it has closed those of its last clients.
    private static func expect(
        _ count: Int,
        of tool: ChildProcess,
        _ endpoint: TLSClientEndpoint
    ) async throws {
        while try tool.descriptorCount() > count {
            try Task.checkCancellation()
            try await exchange(endpoint)
        }
    }
}

extension ChildProcess {
    /// How many descriptors it has: proc_pid_fd(5).
    func descriptorCount() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
    }
}
