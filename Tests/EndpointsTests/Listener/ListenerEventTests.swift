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

/// A source whose attempts to accept turn out as the test has written down.
final class ScriptedConnections: ConnectionSource {
    enum Turn {
        case connection
        case failure(Int32)
    }
    private var turns: [Turn]
    let address = SocketAddress.loopback(.ipv4, port: 1)
    let queue = AcceptQueue()

    init(_ turns: [Turn]) { self.turns = turns }

    func close(on loop: EventLoop) {}

    func next() -> Accepted {
        guard !turns.isEmpty else {
            queue.mayHaveMore = false
            return .wouldBlock
        }
        if case .failure(let code) = turns.removeFirst() { return .failed(code) }
        guard let (ours, theirs) = try? connectedDescriptors(.unix) else { return .failed(EBADF) }
        _ = endpoints_close(theirs)
        let facts = ConnectionFacts(localAddress: address, remoteAddress: address)
        return .connection(SocketTransport(OwnedDescriptor(ours), isUNIX: false), facts)
    }
}

@Suite("Events of a listener", .timeLimit(.minutes(1)))
struct ListenerEventTests {
    private func name(_ event: ListenerEvent) -> String {
        switch event {
        case .accepted: "accepted"
        case .failed: "failed"
        case .paused(let error): "paused \(error.systemError?.name ?? "")"
        case .lost: "lost"
        case .resumed: "resumed"
        }
    }

    @Test(
        "a pause is told before what follows, once a series, and its end before the next connection"
    )
    func order() async throws {
        try await withHandDrivenLoop { driver, group in
            let log = CapturedLog()
            let script: [ScriptedConnections.Turn] = [
                .connection, .failure(EMFILE), .failure(ENFILE), .connection, .connection,
                .failure(ECONNABORTED), .connection, .failure(ENOBUFS), .connection,
            ]
            let listener = Listener.make(
                [ScriptedConnections(script)],
                endpoint: "test",
                in: EndpointContext(loops: group, logger: log.logger)
            )
            let events = listener.events
            let watcher = Task {
                var names: [String] = []
                for await event in events { names.append(name(event)) }
                return names
            }
            let accepted = Tally()
            let accepting = Task {
                for await connection in listener {
                    await connection.close()
                    accepted.add()
                }
            }
            // Each pause lasts until the clock is moved, and is as long as it says.
            for (milliseconds, count) in [(5, 1), (10, 1), (5, 4)] {
                while await group.loops[0].census().timers == 0 { await Task.yield() }
                #expect(accepted.value == count)
                driver.advance(by: .milliseconds(milliseconds) - .nanoseconds(1))
                #expect(await group.loops[0].census().timers == 1)
                driver.advance(by: .nanoseconds(1))
                // The first of two looks may come before the timer, the second does not.
                _ = await group.loops[0].census()
                while accepted.value == count, await group.loops[0].census().timers == 0 {
                    await Task.yield()
                }
            }
            while accepted.value < 5 { await Task.yield() }
            await listener.close()
            await accepting.value
            #expect(
                await watcher.value == [
                    "accepted", "paused EMFILE", "resumed", "accepted", "accepted", "accepted",
                    "paused ENOBUFS", "resumed", "accepted",
                ]
            )
            #expect(log.lines.map(\.message) == ["accept paused", "accept resumed"])
        }
    }

    @Test("a pause ends with the listener, and leaves no timer")
    func closedWhilePaused() async throws {
        try await withHandDrivenLoop { _, group in
            let listener = Listener.make(
                [ScriptedConnections([.failure(EMFILE), .connection])],
                endpoint: "test",
                in: EndpointContext(loops: group, logger: quietLogger)
            )
            let serving = Task { try await listener.serve(echo) }
            while await group.loops[0].census().timers == 0 { await Task.yield() }
            await listener.close()
            try await serving.value
            #expect(await group.loops[0].census().timers == 0)
        }
    }

    @Test(
        "a pause ends early when a connection closes, on whatever loop its handler runs",
        arguments: [0, 1]
    )
    func earlyEnd(loop: Int) async throws {
        // The listener's loop lives by a clock that stands still: no pause ends by itself.
        let group = EventLoopGroup(drivers: [HandDriver(), try EpollDriver()])
        let script: [ScriptedConnections.Turn] = [
            .connection, .connection, .failure(EMFILE), .connection,
        ]
        let listener = Listener.make(
            [ScriptedConnections(script)],
            endpoint: "test",
            in: EndpointContext(loops: group, logger: quietLogger)
        )
        #expect(listener.loop === group.loops[0])
        let served = Tally()
        let mayEnd = [Tally(), Tally()]
        let serving = Task {
            try await listener.serve { connection in
                served.add()
                let place = group.loops.firstIndex { $0 === connection.loop } ?? 0
                try await mayEnd[place].reaches(1)
            }
        }
        try await served.reaches(2)
        while await group.loops[0].census().timers == 0 { await Task.yield() }
        mayEnd[loop].add()
        try await served.reaches(3)
        for gate in mayEnd { gate.add() }
        await listener.close()
        try await serving.value
        await group.shutdown()
    }
}
