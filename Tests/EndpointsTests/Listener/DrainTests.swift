import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Draining", .timeLimit(.minutes(1)))
struct DrainTests {
    @Test("waits for handlers, then aborts the rest, and says how many")
    func counts() async throws {
        try await withListener { listening in
            let (serving, begun) = beginEchoing(listening.listener)
            var clients: [Connection] = []
            for _ in 0..<5 { clients.append(try await listening.connect()) }
            try await begun.reaches(5)
            let draining = Task { await listening.listener.drain(within: .seconds(3600)) }
            while await listening.listener.drainerCount == 0 { await Task.yield() }
            for client in clients[..<2] { await client.close() }
            while await listening.listener.liveCount > 3 { await Task.yield() }
            draining.cancel()
            #expect(await draining.value == DrainResult(finished: 2, aborted: 3))
            try await serving.value
            for client in clients[2...] {
                #expect(await code { try await client.read(atMost: 1) } == .connectionReset)
            }
        }
    }

    @Test("aborts when the time is over")
    func timeOver() async throws {
        try await withListener { listening in
            let (serving, begun) = beginEchoing(listening.listener)
            let client = try await listening.connect()
            try await begun.reaches(1)
            let start = ContinuousClock.now
            let result = await listening.listener.drain(within: .milliseconds(50))
            #expect(result == DrainResult(finished: 0, aborted: 1))
            #expect(ContinuousClock.now - start >= .milliseconds(50))
            try await serving.value
            #expect(await code { try await client.read(atMost: 1) } == .connectionReset)
        }
    }

    @Test("ends as soon as all handlers have, and serves what was queued first")
    func queued() async throws {
        try await withListener { listening in
            var clients: [Connection] = []
            for _ in 0..<5 {
                let client = try await listening.connect()
                try await client.write([1])
                try await client.closeWrite()
                clients.append(client)
            }
            let serving = Task { try await listening.listener.serve(maxConnections: 2, echo) }
            while await listening.listener.sessionCount == 0 { await Task.yield() }
            let result = await listening.listener.drain(within: .seconds(60))
            #expect(result.aborted == 0)
            for client in clients {
                #expect(try await client.read(exactly: 1) == [1])
                #expect(try await client.read(atMost: 1) == nil)
            }
            try await serving.value
            #expect(await code { try await listening.connect() } == .connectionRefused)
        }
    }

    @Test(
        "zero aborts at once; a cancelled drain aborts the rest at once",
        arguments: [false, true]
    )
    func atOnce(byCancelling: Bool) async throws {
        try await withListener { listening in
            let (serving, begun) = beginEchoing(listening.listener)
            let client = try await listening.connect()
            try await begun.reaches(1)
            let draining = Task {
                await listening.listener.drain(within: byCancelling ? .seconds(3600) : .zero)
            }
            if byCancelling {
                while await listening.listener.drainerCount == 0 { await Task.yield() }
                draining.cancel()
            }
            #expect(await draining.value == DrainResult(finished: 0, aborted: 1))
            try await serving.value
            #expect(await code { try await client.read(atMost: 1) } == .connectionReset)
        }
    }

    @Test("nobody served: drain returns at once, and again")
    func idle() async throws {
        try await withListener { listening in
            #expect(
                await listening.listener.drain(within: .seconds(60))
                    == DrainResult(finished: 0, aborted: 0)
            )
            #expect(
                await listening.listener.drain(within: .seconds(60))
                    == DrainResult(finished: 0, aborted: 0)
            )
        }
    }

    @Test("of two at once, each counts what either has aborted as aborted")
    func twoAtOnce() async throws {
        try await withListener { listening in
            let (serving, begun) = beginEchoing(listening.listener)
            var clients: [Connection] = []
            for _ in 0..<3 { clients.append(try await listening.connect()) }
            try await begun.reaches(3)
            let patient = Task { await listening.listener.drain(within: .seconds(3600)) }
            while await listening.listener.drainerCount == 0 { await Task.yield() }
            await clients[0].close()
            while await listening.listener.liveCount > 2 { await Task.yield() }
            let hasty = await listening.listener.drain(within: .zero)
            #expect(hasty == DrainResult(finished: 0, aborted: 2))
            #expect(await patient.value == DrainResult(finished: 1, aborted: 2))
            try await serving.value
            for client in clients[1...] { client.abort() }
        }
    }

    /// Serves an echo, and counts the handlers that have begun.
    private func beginEchoing(
        _ listener: Listener
    ) -> (serving: Task<Void, any Error>, begun: Tally) {
        let begun = Tally()
        let serving = Task {
            try await listener.serve { connection in
                begun.add()
                try await echo(connection)
            }
        }
        return (serving, begun)
    }
}
