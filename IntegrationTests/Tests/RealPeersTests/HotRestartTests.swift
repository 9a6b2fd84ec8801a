import Endpoints
import Foundation
import RealPeers
import Testing

@Suite("Restarts and ends of a server under load", .timeLimit(.minutes(10)))
struct HotRestartTests {
    /// HOT_RESTART_CONNECTIONS asks for more than a run of all tests has time for.
    private static let connections =
        ProcessInfo.processInfo.environment["HOT_RESTART_CONNECTIONS"].flatMap { Int($0) } ?? 20_000
    private static let restarts = 4
    private static let workers = 32

    @Test(
        "a successor takes over the sockets: no connection is refused, none is reset",
        arguments: [Place.tcp, .unix]
    )
    func successor(place: Place) async throws {
        try await Peers.scope { peers in
            let server = try peers.start(
                Peers.program("RestartingServer"),
                place.server(peers)
            )
            var processes = [try await server.servingProcess()]
            let client = try await server.servingClient(place, peers)
            let load = Load(to: client, limit: Self.connections)
            async let run: Void = load.run(workers: Self.workers)
            for restart in 1...Self.restarts {
                await load.reaches(Self.connections * restart / (Self.restarts + 1))
                kill(processes[processes.count - 1], SIGHUP)
                processes.append(try await server.servingProcess(besides: processes))
            }
            await run
            let counts = load.counts
            #expect(counts.failures.isEmpty)
            #expect(counts.cut == 0)
            #expect(counts.whole == Self.connections)
            for process in processes { #expect(counts.processes[process] ?? 0 > 0) }
            // The last holds the pipes of the first, and they end with it.
            kill(processes[processes.count - 1], SIGTERM)
            #expect(try await server.waitForExit() == .status(0))
        }
    }

    @Test("a service manager keeps the sockets while no process runs: none refused, none reset")
    func store() async throws {
        try await Peers.scope { peers in
            let manager = try peers.python(
                "service_manager.py",
                Peers.program("RestartingServer"),
                Place.tcp.server(peers)
            )
            var processes = [try await manager.servingProcess()]
            let client = try await manager.servingClient(.tcp, peers)
            let load = Load(to: client, limit: Self.connections / 2)
            async let run: Void = load.run(workers: Self.workers)
            for restart in 1...Self.restarts {
                await load.reaches(Self.connections / 2 * restart / (Self.restarts + 1))
                manager.write(Array("restart\n".utf8))
                processes.append(try await manager.servingProcess(besides: processes))
            }
            await run
            let counts = load.counts
            #expect(counts.failures.isEmpty)
            #expect(counts.cut == 0)
            #expect(counts.whole == Self.connections / 2)
            for process in processes { #expect(counts.processes[process] ?? 0 > 0) }
            manager.closeInput()
            #expect(try await manager.waitForExit() == .status(0))
        }
    }

    @Test("SIGTERM under load: every answer that was begun is finished")
    func graceful() async throws {
        let size = 4 << 20  // More than the sockets' buffers: many are half-way at any moment.
        try await Peers.scope { peers in
            let server = try peers.start(
                Peers.program("RestartingServer"),
                Place.tcp.server(peers),
                "\(size)"
            )
            _ = try await server.servingProcess()
            let client = try await server.servingClient(.tcp, peers)
            let load = Load(to: client, limit: .max, size: size)
            async let run: Void = load.run(workers: Self.workers)
            await load.reaches(100)
            server.send(SIGTERM)
            await run
            let counts = load.counts
            #expect(counts.cut == 0)
            #expect(counts.whole >= 100)
            #expect(Set(counts.failures.keys) == ["connect: connectionRefused"])
            #expect(try await server.waitForExit() == .status(0))
        }
    }

    @Test("a successor that cannot start changes nothing")
    func noSuccessor() async throws {
        try await Peers.scope { peers in
            let program = peers.path("server")
            try FileManager.default.copyItem(
                atPath: Peers.program("RestartingServer"),
                toPath: program
            )
            let path = peers.path("ours.sock")
            let server = try peers.start(program, "unix:\(path)")
            let process = try await server.servingProcess()
            let client: some ClientEndpoint = .unix(path: path)
            // What is there now ends at once.
            try FileManager.default.removeItem(atPath: program)
            try FileManager.default.copyItem(atPath: "/bin/false", toPath: program)
            kill(process, SIGHUP)
            let failure = try await server.output.firstLine { line in
                line.hasPrefix("failed ") ? line : nil
            }
            #expect(failure.contains("it ended before it was ready"))
            try await client.withConnection { connection in
                try await connection.write([1])
                let lines = try await connection.read(exactly: 4)
                #expect(!lines.isEmpty)
            }
            server.send(SIGTERM)
            #expect(try await server.waitForExit() == .status(0))
            await #expect(throws: EndpointError.self) { try await client.connect().abort() }
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }
}

extension ChildProcess {
    /// The process that serves, when one that is none of those before says so.
    fileprivate func servingProcess(besides others: [Int32] = []) async throws -> Int32 {
        try await output.firstLine { line in
            let words = line.split(separator: " ")
            guard words.first == "serving", words.count > 1, let process = Int32(words[1]),
                !others.contains(process)
            else { return nil }
            return process
        }
    }

    /// How to reach it, after its first line.
    fileprivate func servingClient(_ place: Place, _ peers: Peers) async throws
        -> any ClientEndpoint
    {
        guard place == .tcp else { return try clientFromString("unix:\(peers.path("ours.sock"))") }
        return try await output.firstLine { line in
            guard line.hasPrefix("serving "), let colon = line.lastIndex(of: ":") else {
                return nil
            }
            let port = UInt16(line[line.index(after: colon)...]) ?? 0
            return .tcp(host: "127.0.0.1", port: port)
        }
    }
}
