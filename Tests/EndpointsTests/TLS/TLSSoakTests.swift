// Handshakes in great number, of which many come to nothing: whatever they leave behind adds up. By
// itself the test compares what malloc(3) has handed out before and after; under Address Sanitizer, whose
// leak check sees the rest, .ci/run asks for more of them (TLS_SOAK).

import EventLoop
import Foundation
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("A soak of TLS handshakes", .serialized, .certificates, .timeLimit(.minutes(10)))
struct TLSSoakTests {
    @Test("those that succeed, fail, and are cancelled half-way leave nothing behind")
    func soak() async throws {
        let wanted = ProcessInfo.processInfo.environment["TLS_SOAK"].flatMap { Int($0) } ?? 1000
        let client = try TLSTesting.client()
        let server = try TLSTesting.server()
        let soak = Soak(client: client, server: server)
        // What is made once, and the tickets that a client keeps, are there before the measurement.
        try await soak.run(200, seed: 1)
        let before = allocatedBytes()
        let outcomes = try await soak.run(wanted, seed: 2)
        let growth = allocatedBytes() - before
        #expect(growth < 4 << 20)
        // Half of them are left alone; of the others some come through before they are disturbed.
        #expect(outcomes.succeeded > wanted / 3)
        #expect(outcomes.cancelled > wanted / 20)
        #expect(outcomes.refused > wanted / 40)
        #expect(outcomes.total == wanted)
    }
}

/// Handshakes with whatever can happen to them.
private struct Soak {
    struct Outcomes: Sendable {
        var succeeded = 0
        var cancelled = 0
        var refused = 0
        var total: Int { succeeded + cancelled + refused }
    }

    let client: TLSClientConfiguration
    let server: TLSServerConfiguration

    /// Runs handshakes, four beside each other.
    @discardableResult
    func run(_ count: Int, seed: UInt64) async throws -> Outcomes {
        try await withThrowingTaskGroup(of: Outcomes.self) { group in
            for lane in 0..<4 {
                group.addTask {
                    var chance = Chance(state: seed &* 4 &+ UInt64(lane))
                    var outcomes = Outcomes()
                    for _ in 0..<count / 4 { try await one(&chance, &outcomes) }
                    return outcomes
                }
            }
            return try await group.reduce(into: Outcomes()) { sum, lane in
                sum.succeeded += lane.succeeded
                sum.cancelled += lane.cancelled
                sum.refused += lane.refused
            }
        }
    }

    private func one(_ chance: inout Chance, _ outcomes: inout Outcomes) async throws {
        let (near, far) = Connection.memoryPair()
        let fate = chance.next(10)
        let name = fate == 9 ? "other.example" : "localhost"
        let pause = chance.next(40)
        let (client, server) = (client, server)
        let nearTask = Task { try await near.startTLS(.client(serverName: name, client)) }
        let farTask = Task { try await far.startTLS(.server(server)) }
        switch fate {
        case 5, 6:
            for _ in 0..<pause { await Task.yield() }
            (fate == 5 ? nearTask : farTask).cancel()
        case 7:
            for _ in 0..<pause { await Task.yield() }
            near.abort()
        case 8:
            for _ in 0..<pause { await Task.yield() }
            far.abort()
        default: break
        }
        switch (await nearTask.result, await farTask.result) {
        case (.success(let client), .success(let server)):
            if fate < 5 { try await exchange(client, server, &chance) }
            outcomes.succeeded += 1
            client.abort()
            server.abort()
        case (let near, let far):
            if [near, far].contains(where: \.isCancelled) {
                outcomes.cancelled += 1
            } else {
                outcomes.refused += 1
            }
            for result in [near, far] { try? result.get().abort() }
        }
        near.abort()
        far.abort()
    }

    /// Sends a word each way, or a long one whose writer is cancelled.
    private func exchange(
        _ client: Connection,
        _ server: Connection,
        _ chance: inout Chance
    ) async throws {
        try await client.write("question".utf8)
        #expect(try await server.read(exactly: 8) == Array("question".utf8))
        if chance.next(4) == 0 {
            let writer = Task { try await server.write([UInt8](repeating: 7, count: 1 << 20)) }
            #expect(try await client.read(exactly: 1) == [7])
            writer.cancel()
            _ = await writer.result
        } else {
            try await server.write("answer".utf8)
            #expect(try await client.read(exactly: 6) == Array("answer".utf8))
            await client.close()
        }
    }
}

extension Result<Connection, any Error> {
    fileprivate var isCancelled: Bool {
        if case .failure(let error) = self { error is CancellationError } else { false }
    }
}

/// A seeded generator (Knuth's MMIX).
private struct Chance {
    var state: UInt64

    mutating func next(_ limit: UInt64) -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 33) % limit
    }
}
