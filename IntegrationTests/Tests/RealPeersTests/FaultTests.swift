// Clients that misbehave, and a server that runs out of descriptors. What is measured is the tool, a
// process of its own, by what the kernel tells of it in /proc.

import Foundation
import RealPeers
import Testing

@Suite("Faults at the tool's echo", .serialized, .timeLimit(.minutes(2)))
struct FaultTests {
    @Test(
        "a thousand clients that send garbage, half-close, reset or vanish do not touch good ones"
    )
    func chaos() async throws {
        try await Peers.scope { peers in
            let tool = try peers.tool("echo", "--drain", "0.2", "tcp:0:interface=127.0.0.1")
            let address = try await tool.listeningAddress()
            let early = try peers.start("socat", "-t", "30", "-", address.socat)
            early.write(Array("before\n".utf8))
            _ = try await early.output.bytes(7)

            let chaos = try peers.python("chaos.py", address.port, "1000", "1")
            let data = try peers.file("data", tenMebibytes)
            for peer in Peer.allCases {
                let answer = try await peer.exchange(address, sending: data, peers)
                expectSame(answer, tenMebibytes)
            }
            let told = try await chaos.output.firstLine { $0.hasPrefix("done") ? $0 : nil }
            for fate in ["garbage", "half_close", "reset", "vanish"] {
                #expect(told.contains(fate))
            }
            #expect(try await chaos.waitForExit() == .status(0))

            early.write(Array("after\n".utf8))
            #expect(try await early.output.bytes(13) == Array("before\nafter\n".utf8))
            early.closeInput()
            #expect(try await early.waitForExit() == .status(0))
            tool.send(SIGTERM)
            #expect(try await tool.waitForExit(within: 10) == .status(0))
        }
    }

    @Test("a server out of descriptors burns no time, serves those it has, and goes on by itself")
    func exhausted() async throws {
        try await Peers.scope { peers in
            let tool = try peers.start(
                "prlimit",
                "--nofile=40:40",
                Peers.toolPath,
                "echo",
                "--log-level",
                "info",
                "tcp:0:interface=127.0.0.1"
            )
            let address = try await tool.listeningAddress()
            let first = try peers.start("socat", "-t", "30", "-", address.socat)
            first.write(Array("in time\n".utf8))
            _ = try await first.output.bytes(8)

            let many = try peers.python("hold.py", address.port, "100")
            _ = try await many.output.firstLine { $0 == "held" ? $0 : nil }
            try await tool.waitForWord("paused")
            let before = try tool.processorSeconds()
            let start = ContinuousClock.now
            for round in 1...300 {
                first.write(Array("in time\n".utf8))
                _ = try await first.output.bytes(8 * (round + 1))
            }
            // The accept loop would take all of one core if it spun.
            let taken = try tool.processorSeconds() - before
            let passed = (ContinuousClock.now - start) / .seconds(1)
            #expect(taken < 0.5 * passed + 0.1, "\(taken) s of \(passed)")
            #expect(tool.errors.lines.filter { $0.contains("accept paused") }.count == 1)

            let late = try peers.start("socat", "-t", "30", "-", address.socat)
            late.write(Array("late\n".utf8))
            many.closeInput()
            #expect(try await many.waitForExit() == .status(0))
            #expect(try await late.output.bytes(5) == Array("late\n".utf8))
            tool.send(SIGTERM)
            first.closeInput()
            late.closeInput()
            #expect(try await tool.waitForExit() == .status(0))
        }
    }

    @Test("a peer that never reads costs no memory, and gets all when it reads")
    func neverReads() async throws {
        try await Peers.scope { peers in
            let tool = try peers.tool("echo", "tcp:0:interface=127.0.0.1")
            let address = try await tool.listeningAddress()
            // Whatever a first connection sets up is there before the measurement.
            let data = try peers.file("data", tenMebibytes)
            _ = try await Peer.socat.exchange(address, sending: data, peers)
            let before = try tool.residentKibibytes()

            let silent = try peers.python("never_reads.py", address.port)
            let sent = try await silent.output.firstLine { line in
                line.hasPrefix("stalled ") ? Int(line.dropFirst("stalled ".count)) : nil
            }
            #expect(sent > 100_000)
            #expect(try tool.residentKibibytes() - before < 1024)
            let answer = try await Peer.socat.exchange(address, sending: data, peers)
            expectSame(answer, tenMebibytes)

            silent.write(Array("read\n".utf8))
            let read = try await silent.output.firstLine { line in
                line.hasPrefix("read ") ? Int(line.dropFirst("read ".count)) : nil
            }
            #expect(read == sent)
        }
    }
}

extension Address {
    /// The port of a TCP address.
    var port: String {
        if case .tcp(_, let port) = self { port } else { "" }
    }
}

extension ChildProcess {
    /// Its resident memory: VmRSS of proc_pid_status(5).
    func residentKibibytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let match = try #require(status.firstMatch(of: /VmRSS:\s+(\d+) kB/))
        return try #require(Int(match.1))
    }

    /// The processor time that it has used, of user and system: proc_pid_stat(5).
    func processorSeconds() throws -> Double {
        let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        let fields = try #require(stat.split(separator: ")").last).split(separator: " ")
        let ticks = try #require(Int(fields[11])) + (try #require(Int(fields[12])))
        return Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
