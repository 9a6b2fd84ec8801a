import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

private struct Oops: Error {}

@Suite("Serving", .timeLimit(.minutes(1)))
struct ServingTests {
    @Test(
        "each connection has its handler, on its loop; it is closed when the handler returns or throws"
    )
    func handlers() async throws {
        let log = CapturedLog()
        try await withListener(logger: log.logger) { listening in
            let failed = Lock<[UInt64]>([])
            let serving = Task {
                try await listening.listener.serve { connection in
                    #expect(connection.loop.isCurrent)
                    let byte = try await connection.read(exactly: 1)
                    try await connection.write(byte)
                    if byte == [1] {
                        failed.withLock { $0.append(connection.id) }
                        throw Oops()
                    }
                }
            }
            let bystander = try await listening.connect()
            for turn in 0..<6 {
                let client = try await listening.connect()
                let byte = UInt8(turn % 2)
                try await client.write([byte])
                #expect(try await client.read(exactly: 1) == [byte])
                #expect(try await client.read(atMost: 1) == nil)
                await client.close()
            }
            try await bystander.write([7])
            #expect(try await bystander.read(exactly: 1) == [7])
            await bystander.close()
            await listening.listener.close()
            try await serving.value
            let logged = log.lines("connection handler failed").map { $0.metadata["connection"] }
            #expect(logged == failed.withLock { $0.map { "\($0)" } })
            #expect(Set(logged).count == 3)
            #expect(log.lines.allSatisfy { $0.level <= .info })
        }
    }

    @Test("no more than maxConnections are open at once; the others wait", arguments: [1, 3])
    func limit(maxConnections: Int) async throws {
        try await withListener { listening in
            let live = Tally()
            let most = Tally()
            let serving = Task {
                try await listening.listener.serve(maxConnections: maxConnections) { connection in
                    live.add()
                    if live.value > most.value { most.add(live.value - most.value) }
                    defer { live.add(-1) }
                    try await echo(connection)
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<12 {
                    group.addTask {
                        let client = try await listening.connect()
                        try await client.write([1])
                        _ = try await client.read(exactly: 1)
                        await client.close()
                    }
                }
                try await group.waitForAll()
            }
            #expect((1...maxConnections).contains(most.value))
            await listening.listener.close()
            try await serving.value
        }
    }

    @Test(
        "close, with all places taken, waits for the handlers and serves nobody else",
        arguments: [false, true]
    )
    func closeWhenFull(byDraining: Bool) async throws {
        try await withListener(loops: 1) { listening in
            let serving = Task { try await listening.listener.serve(maxConnections: 1, echo) }
            let client = try await listening.connect()
            try await client.write([1])
            _ = try await client.read(exactly: 1)
            let ending = Task {
                if byDraining {
                    #expect(await listening.listener.drain(within: .seconds(60)).aborted == 0)
                } else {
                    await listening.listener.close()
                }
            }
            if !byDraining { await ending.value }
            try await client.write([2])
            #expect(try await client.read(exactly: 1) == [2])
            await client.close()
            try await serving.value
            await ending.value
        }
    }

    @Test(
        "a cancelled serve closes the listener, cancels the handlers, and throws",
        .tags(.cancellation)
    )
    func cancelled() async throws {
        try await withListener { listening in
            let mayEnd = Tally()
            let begun = Tally()
            let stopped = Tally()
            let serving = Task {
                try await listening.listener.serve { connection in
                    begun.add()
                    do { _ = try await connection.read(atMost: 1) } catch is CancellationError {
                        stopped.add()
                    }
                    while mayEnd.value == 0 { await Task.yield() }
                }
            }
            let client = try await listening.connect()
            try await begun.reaches(1)
            serving.cancel()
            // Closed at once, though a handler takes its time.
            var isRefused = false
            while !isRefused {
                do { try await listening.connect().close() } catch {
                    isRefused = (error as? EndpointError)?.code == .connectionRefused
                }
            }
            mayEnd.add()
            #expect(await isCancelled { try await serving.value })
            #expect(stopped.value == 1)
            #expect(try await client.read(atMost: 1) == nil)
            await client.close()
        }
    }

    @Test(
        "a serve that is cancelled before it begins throws, and closes the listener",
        .tags(.cancellation)
    )
    func cancelledBefore() async throws {
        try await withListener { listening in
            let serving = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await listening.listener.serve { _ in Issue.record("nobody is served") }
            }
            #expect(await isCancelled { try await serving.value })
            #expect(await code { try await listening.connect() } == .connectionRefused)
        }
    }

    @Test(
        "connections that were accepted and not served are closed when serving is cancelled",
        .tags(.cancellation),
        .bug(
            "https://github.com/swift-server/swift-http-server/issues/137",
            "swift-http-server#137"
        ),
        .bug("https://github.com/apple/swift-nio/issues/3481", "swift-nio#3481")
    )
    func unserved() async throws {
        for _ in 0..<20 {
            try await withListener { listening in
                var clients: [Connection] = []
                for _ in 0..<10 { clients.append(try await listening.connect()) }
                let serving = Task {
                    try await listening.listener.serve(maxConnections: 3) { connection in
                        try await echo(connection)
                    }
                }
                await Task.yield()
                serving.cancel()
                #expect(await isCancelled { try await serving.value })
                for client in clients {
                    while (try? await client.read(atMost: 1)) != nil {}
                    await client.close()
                }
            }
        }
    }

    @Test(
        "a handler that only waits notices that its peer has gone, at no cost to the others",
        .bug("https://github.com/swift-server/swift-http-server/issues/53", "swift-http-server#53")
    )
    func peerGone() async throws {
        try await withListener { listening in
            let stopped = Tally()
            let serving = Task {
                try await listening.listener.serve { connection in
                    guard try await connection.read(exactly: 1) == [0] else {
                        return try await echo(connection)
                    }
                    await withTaskGroup(of: Void.self) { group in
                        group.addTask { _ = try? await connection.ended() }
                        group.addTask { try? await connection.loop.sleep(for: .seconds(3600)) }
                        await group.next()
                        group.cancelAll()
                    }
                    stopped.add()
                }
            }
            let bystander = try await listening.connect()
            try await bystander.write([1])
            for turn in 0..<6 {
                let client = try await listening.connect()
                try await client.write([0])
                if turn % 2 == 0 { await client.close() } else { client.abort() }
            }
            try await stopped.reaches(3)
            try await bystander.write([9])
            #expect(try await bystander.read(exactly: 1) == [9])
            await bystander.close()
            serving.cancel()
            _ = await serving.result
        }
    }

    @Test("several listeners are served in one scope")
    func several() async throws {
        try await withListener { first in
            try await withListener { second in
                let serving = Task { try await serve(on: [first.listener, second.listener], echo) }
                for listening in [first, second] {
                    let client = try await listening.connect()
                    try await client.write([3])
                    #expect(try await client.read(exactly: 1) == [3])
                    await client.close()
                }
                serving.cancel()
                #expect(await isCancelled { try await serving.value })
                #expect(await code { try await second.connect() } == .connectionRefused)
            }
        }
    }
}
