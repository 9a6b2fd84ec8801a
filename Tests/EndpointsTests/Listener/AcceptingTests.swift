import CEndpoints
import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Accepting", .timeLimit(.minutes(1)))
struct AcceptingTests {
    @Test("iterating yields ready connections, dealt to the loops in turn")
    func iterating() async throws {
        try await withListener(loops: 2) { listening in
            var clients: [Connection] = []
            for _ in 0..<4 { clients.append(try await listening.connect()) }
            var loops: [ObjectIdentifier: Int] = [:]
            var remotes: Set<String> = []
            for await connection in listening.listener {
                loops[ObjectIdentifier(connection.loop), default: 0] += 1
                remotes.insert("\(connection.remoteAddress)")
                #expect(connection.localAddress == listening.listener.addresses.first)
                await connection.close()
                if remotes.count == 4 { break }
            }
            #expect(loops.values.sorted() == [2, 2])
            #expect(remotes == Set(clients.map { "\($0.localAddress)" }))
            for client in clients { await client.close() }
        }
    }

    @Test("nothing is taken from the kernel's queue until somebody asks")
    func onDemand() async throws {
        try await withListener { listening in
            let client = try await listening.connect()
            let events = listening.listener.events
            try await listening.listener.loop.sleep(for: .milliseconds(10))
            var iterator = listening.listener.makeAsyncIterator()
            let connection = await iterator.next()
            for await event in events {
                guard case .accepted(let peer) = event else { continue }
                #expect(peer == client.localAddress)
                break
            }
            await connection?.close()
            await client.close()
        }
    }

    @Test(
        "a cancelled iteration just ends, and the listener stays",
        .tags(.cancellation),
        arguments: [false, true]
    )
    func cancelled(onLoop: Bool) async throws {
        try await withListener { listening in
            let listener = listening.listener
            let iteration = Task(executorPreference: onLoop ? listener.loop : nil) {
                var count = 0
                for await connection in listener {
                    count += 1
                    await connection.close()
                }
                return count
            }
            while await listener.waiterCount == 0 { await Task.yield() }
            iteration.cancel()
            #expect(await iteration.value == 0)
            #expect(await listener.waiterCount == 0)
            let client = try await listening.connect()
            var iterator = listener.makeAsyncIterator()
            #expect(await iterator.next()?.remoteAddress == client.localAddress)
            client.abort()
        }
    }

    @Test("close ends iteration, frees the port, and may be called twice")
    func close() async throws {
        try await withListener { listening in
            let listener = listening.listener
            let iteration = Task { for await connection in listener { await connection.close() } }
            while await listener.waiterCount == 0 { await Task.yield() }
            await listener.close()
            await iteration.value
            await listener.close()
            var iterator = listener.makeAsyncIterator()
            #expect(await iterator.next() == nil)
            let port = listener.addresses.first?.port ?? 0
            let again: some ServerEndpoint = .tcp(port: port, interface: "127.0.0.1")
            try await again.listen(in: listening.context).close()
            #expect(await code { try await listening.connect() } == .connectionRefused)
        }
    }

    @Test("close closes what the kernel has queued, with an end and no reset")
    func closeQueued() async throws {
        try await withListener { listening in
            var clients: [Connection] = []
            for _ in 0..<5 { clients.append(try await listening.connect()) }
            await listening.listener.close()
            for client in clients {
                #expect(try await client.read(atMost: 1) == nil)
                await client.close()
            }
        }
    }

    @Test("while suspended new connections wait in the kernel's queue")
    func suspended() async throws {
        try await withListener { listening in
            let listener = listening.listener
            let accepted = Tally()
            let serving = Task { try await listener.serve { _ in accepted.add() } }
            let first = try await listening.connect()
            try await accepted.reaches(1)
            listener.suspend()
            listener.suspend()
            #expect(await listener.waiterCount == 1)
            let second = try await listening.connect()
            try await listener.loop.sleep(for: .milliseconds(10))
            #expect(accepted.value == 1)
            listener.resume()
            try await accepted.reaches(2)
            serving.cancel()
            #expect(await isCancelled { try await serving.value })
            await first.close()
            await second.close()
        }
    }

    @Test("who watches is told, and the watch ends with the listener")
    func events() async throws {
        try await withListener { listening in
            let events = listening.listener.events
            let watcher = Task {
                var peers: [SocketAddress] = []
                for await event in events {
                    if case .accepted(let peer) = event { peers.append(peer) }
                }
                return peers
            }
            let serving = Task { try await listening.listener.serve(echo) }
            var locals: [SocketAddress] = []
            for _ in 0..<3 {
                let client = try await listening.connect()
                try await client.write([1])
                _ = try await client.read(exactly: 1)
                locals.append(client.localAddress)
                await client.close()
            }
            await listening.listener.close()
            try await serving.value
            #expect(await watcher.value == locals)
            for await _ in listening.listener.events {
                Issue.record("a closed listener has no events")
            }
        }
    }

    @Test("a listener that is dropped closes its port and says so")
    func dropped() async throws {
        let log = CapturedLog()
        try await withListener { listening in
            let context = EndpointContext(loops: listening.context.loops, logger: log.logger)
            let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
            var listener: Listener? = try await server.listen(in: context)
            let port = listener?.addresses.first?.port ?? 0
            listener = nil
            while log.lines("listener dropped without close").isEmpty { await Task.yield() }
            #expect(
                await code {
                    try await TCPClientEndpoint(host: "127.0.0.1", port: port).connect(in: context)
                } == .connectionRefused
            )
        }
    }
}

extension Listener {
    var waiterCount: Int { waiters.count }
    var drainerCount: Int { drainers.count }
    var sessionCount: Int { sessions.count }
    var liveCount: Int { sessions.reduce(0) { $0 + $1.liveCount } }
}
