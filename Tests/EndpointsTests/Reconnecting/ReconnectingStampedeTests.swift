import EndpointsTesting
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

/// Counts each attempt when it begins.
private struct Counted: ClientEndpoint {
    let endpoint: MemoryClientEndpoint
    let attempts: Tally
    var description: String { endpoint.description }

    func connect(in context: EndpointContext) async throws -> Connection {
        attempts.add()
        return try await endpoint.connect(in: context)
    }
}

/// A server that many clients come back to, on a clock that the test moves.
private final class Crowd: Sendable {
    static let count = 1000
    let clock = ManualClock()
    let attempts = Tally()
    private let live = Tally()
    private let name = "stampede-\(UInt64.random(in: 0 ... .max))"
    private let context = EndpointContext(loops: EventLoopGroup(loopCount: 1), logger: quietLogger)
    private let clients: [ReconnectingClient<Int>]

    init() {
        let endpoint = Counted(endpoint: MemoryClientEndpoint(name: name), attempts: attempts)
        clients = (0..<Self.count).map { [clock, context] number in
            ReconnectingClient(
                endpoint,
                in: context,
                clock: clock,
                random: SplitMix(seed: UInt64(number))
            ) { _ in number }
        }
    }

    /// Begins to serve.
    func serve() async throws -> (Listener, Task<Void, any Error>) {
        let listener = try await MemoryServerEndpoint(name: name).listen(in: context)
        let serving = Task { [live] in
            try await listener.serve { connection in
                live.add()
                defer { live.add(-1) }
                _ = try await connection.read(atMost: 1)
            }
        }
        return (listener, serving)
    }

    /// All connections are reset at once.
    func end(_ server: (Listener, Task<Void, any Error>)) async {
        await server.0.drain(within: .zero)
        _ = await server.1.result
    }

    func start() async throws {
        for client in clients { await client.start() }
        try await settle()
    }

    func stop() async {
        for client in clients { await client.stop() }
        await context.loops.shutdown()
    }

    var areAllConnected: Bool { live.value == Self.count }

    /// Returns when each client either is connected or waits.
    func settle() async throws {
        while clock.remaining.count + live.value != Self.count { try await pause() }
    }

    private func pause() async throws {
        try await context.loops.next().sleep(for: .milliseconds(1))
    }

    /// How many attempts there are in each step of time, until `isOver`.
    func histogram(
        step: Duration = .milliseconds(100),
        until isOver: (Duration) -> Bool
    ) async throws -> [Int] {
        var bins: [Int] = []
        while !isOver(step * bins.count) {
            let before = attempts.value
            let due = clock.remaining.count { $0 <= step }
            clock.advance(by: step)
            // Not before: closing the lost connection has a timer of the same clock for a moment.
            while attempts.value < before + due { try await pause() }
            if due > 0 { try await settle() }
            bins.append(attempts.value - before)
        }
        return bins
    }
}

@Suite("A thousand reconnecting clients", .serialized, .timeLimit(.minutes(2)))
struct ReconnectingStampedeTests {
    @Test("a server's restart brings no stampede: the jitter spreads the attempts")
    func spread() async throws {
        let crowd = Crowd()
        var server = try await crowd.serve()
        try await crowd.start()
        #expect(crowd.areAllConnected)
        #expect(crowd.attempts.value == Crowd.count)

        await crowd.end(server)
        try await crowd.settle()
        let down = try await crowd.histogram { $0 >= .seconds(5) }
        #expect(!crowd.areAllConnected)
        server = try await crowd.serve()
        let up = try await crowd.histogram { $0 >= .seconds(20) || crowd.areAllConnected }
        #expect(crowd.areAllConnected)
        let bins = down + up
        if ProcessInfo.processInfo.environment["STAMPEDE_HISTOGRAM"] != nil { show(bins) }

        // The first come 1.5 s to 2.5 s after the loss, evenly: a tenth of them in a tenth of that.
        #expect(bins[..<15].allSatisfy { $0 == 0 })
        #expect(bins[15..<25].reduce(0, +) == Crowd.count)
        #expect(bins[15..<25].allSatisfy { (60...140).contains($0) })
        #expect(bins.allSatisfy { $0 <= 140 }, "later ones are spread further")
        await crowd.end(server)
        await crowd.stop()
    }

    @Test("restart after restart takes no more memory")
    func memory() async throws {
        let crowd = Crowd()
        var server = try await crowd.serve()
        try await crowd.start()
        var sizes: [Int] = []
        for _ in 0..<4 {
            await crowd.end(server)
            try await crowd.settle()
            server = try await crowd.serve()
            _ = try await crowd.histogram(step: .seconds(3)) {
                $0 >= .seconds(30) || crowd.areAllConnected
            }
            #expect(crowd.areAllConnected)
            sizes.append(residentBytes())
        }
        // The first restart or two bring pools to their size.
        #expect(sizes[3] - sizes[1] < 8 << 20, "\(sizes.map { $0 >> 10 }) KiB")
        await crowd.end(server)
        await crowd.stop()
    }

    private func show(_ bins: [Int]) {
        for (index, count) in bins.enumerated() {
            let time = String(format: "%4.1f s", Double(index) / 10)
            print(time, String(format: "%4d", count), String(repeating: "#", count: count / 4))
        }
    }
}
