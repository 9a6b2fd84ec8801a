// The task between the two ends of a faulty connection. It belongs to nobody's scope, and ends with the
// connection, whichever end is closed first: each direction ends when its reader or its writer does,
// and a reset of either end ends it at once, in the middle of a pause too.
//
// Hard part: a close in order. What its holder wrote before is under way, and passes as it would from
// the kernel of a machine whose program is gone: however slow the way is. But a way on which nothing
// passes any more would hold the far connection for ever. So behind a black hole it is reset at once,
// behind a stall after a second; and by then the holder's `close` returns in any case.
//
// A pause of a few microseconds is not worth a timer, whose grain is a millisecond: short ones add up
// until they are, and what a timer slept too long is taken off the next. So a bandwidth is what the
// script says, in however small pieces. A clock that the test moves is asked for each pause; after a
// close, when nobody may move it, each of its pauses counts as a stall.

import Endpoints
import EventLoop

/// Carries bytes between two connections.
struct FaultPump: Sendable {
    /// How long a close waits.
    static let grace = Duration.seconds(1)

    /// Towards who asked for faults.
    let near: Connection
    let far: Connection
    private let clock: (any Clock<Duration>)?
    private let stalls = Lock(Stalls())

    init(near: Connection, far: Connection, clock: (any Clock<Duration>)?) {
        self.near = near
        self.far = far
        self.clock = clock
    }

    /// The stalls of what is written, once the holder has closed.
    private struct Stalls {
        var isStalled = false
        /// Nobody waits for the end of a stall any more.
        var isOver = false
    }

    private enum Direction { case written, read }

    private enum News {
        case passes(Direction, Passage)
        case isDropped
        case isBroken
        case isClosing
        case graceIsOver
        case nothing
    }

    /// What became of a direction.
    private enum Passage {
        /// It has its end.
        case ended
        /// Nothing passes any more: its end has been sent, though more may come …
        case cut
        /// … or has not.
        case vanished
        /// An end is broken, or a reset was asked for.
        case broken
    }

    /// Carries bytes until the connection has ended; `closing` ends when its holder closes it.
    func run(_ faults: ConnectionFaults, until closing: AsyncStream<Void>) async {
        let isWhole = await carry(faults, until: closing)
        // The far end first: when the holder's close returns nothing is left.
        if !isWhole { far.abort() }
        await far.close()
        if !isWhole { near.abort() }
        await near.close()
    }

    /// Carries both directions; false if what was written is not whole.
    private func carry(_ faults: ConnectionFaults, until closing: AsyncStream<Void>) async -> Bool {
        await withTaskGroup(of: News.self) { group in
            group.addTask { await carry(.written, faults.written) }
            group.addTask { await carry(.read, faults.read) }
            for end in [near, far] { group.addTask { await isReset(end) ? .isBroken : .nothing } }
            group.addTask {
                for await _ in closing {}
                return Task.isCancelled ? .nothing : .isClosing
            }
            var written: Passage?
            var (left, isClosing, isWhole) = (2, false, true)
            for await news in group {
                switch news {
                case .passes(_, .broken), .isBroken: isWhole = false
                case .passes(let direction, let passage):
                    if direction == .written { written = passage }
                    if passage == .ended { left -= 1 } else { dropRest(direction, &group) }
                case .isDropped: left -= 1
                case .isClosing:
                    isClosing = true
                    group.addTask { await waitForGrace() }
                case .graceIsOver: if await endGrace() { isWhole = false }
                case .nothing: break
                }
                if isClosing && written == .vanished { isWhole = false }
                if !isWhole || left == 0 || (isClosing && written != nil) { group.cancelAll() }
            }
            return isWhole
        }
    }

    private func waitForGrace() async -> News {
        let limit = TestPatience.limit(Self.grace)
        do { try await EventLoopGroup.shared.next().sleep(for: limit) } catch { return .nothing }
        return .graceIsOver
    }

    /// Lets the holder's close return, and says whether what was written is stuck.
    private func endGrace() async -> Bool {
        let isStalled = stalls.withLock { stalls in
            stalls.isOver = true
            return stalls.isStalled
        }
        if !isStalled { try? await near.closeWrite() }
        return isStalled
    }

    /// Waits for an end that is not in order.
    private func isReset(_ connection: Connection) async -> Bool {
        switch try? await connection.ended() {
        case .failed, .truncated: true
        case .peerClosed, .closed, nil: false
        }
    }

    // MARK: one direction

    private func carry(_ direction: Direction, _ script: FaultScript) async -> News {
        let source = ends(of: direction).source
        var walk = FaultWalk(script)
        var pauses = FaultPauses(clock: clock)
        do {
            if let passage = try await take(walk.begin(), direction, &pauses) {
                return .passes(direction, passage)
            }
            while let bytes = try await source.read(atMost: 65_536) {
                if let passage = try await take(walk.handle(bytes), direction, &pauses) {
                    return .passes(direction, passage)
                }
            }
            switch try await take(walk.handleEnd(), direction, &pauses) {
            case .cut, .ended, nil: return .passes(direction, .ended)
            case .vanished: return .passes(direction, .vanished)
            case .broken: return .passes(direction, .broken)
            }
        } catch is CancellationError {
            return .nothing
        } catch let error as EndpointError where error.code == .closed {
            // We did it: both are reset, or the holder no longer waits for what is read.
            return .passes(direction, .ended)
        } catch {
            // What one end suffers the other is to see.
            return .passes(direction, .broken)
        }
    }

    private func ends(of direction: Direction) -> (source: Connection, sink: Connection) {
        direction == .written ? (near, far) : (far, near)
    }

    /// Takes steps; answers what became of the direction if nothing more is to pass.
    private func take(
        _ steps: [FaultWalk.Step],
        _ direction: Direction,
        _ pauses: inout FaultPauses
    ) async throws -> Passage? {
        let sink = ends(of: direction).sink
        for step in steps {
            switch step {
            case .wait(let duration) where clock == nil: try await pauses.wait(duration)
            case .wait(let duration), .stall(let duration):
                try beginStall(direction)
                try await pauses.wait(duration)
                endStall(direction)
            case .pass(let bytes): try await sink.write(bytes)
            case .end:
                try await sink.closeWrite()
                return .cut
            case .reset: return .broken
            case .vanish: return .vanished
            }
        }
        return nil
    }

    /// Notes that nothing passes; fails when nobody waits for that to end.
    private func beginStall(_ direction: Direction) throws {
        guard direction == .written else { return }
        let isOver = stalls.withLock { stalls in
            stalls.isStalled = true
            return stalls.isOver
        }
        if isOver { throw EndpointError(.timedOut, operation: "wait for the end of a stall") }
    }

    private func endStall(_ direction: Direction) {
        if direction == .written { stalls.withLock { $0.isStalled = false } }
    }

    /// Reads on, so that the sender is not told, until either end is gone.
    private func dropRest(_ direction: Direction, _ group: inout TaskGroup<News>) {
        let (source, sink) = ends(of: direction)
        group.addTask {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    while let bytes = try? await source.read(atMost: 65_536), !bytes.isEmpty {}
                }
                group.addTask { _ = try? await sink.ended() }
                await group.waitForAll()
            }
            return .isDropped
        }
    }
}

/// The pauses of one direction.
struct FaultPauses {
    /// What is not worth a timer.
    private static let grain = Duration.milliseconds(1)

    let clock: (any Clock<Duration>)?
    /// What was not slept yet; below zero what was slept too long.
    private var owed = Duration.zero

    init(clock: (any Clock<Duration>)?) { self.clock = clock }

    mutating func wait(_ duration: Duration) async throws {
        if let clock { return try await clock.sleep(for: duration) }
        owed += duration
        guard owed >= Self.grain else { return }
        let start = ContinuousClock.now
        try await EventLoopGroup.shared.next().sleep(for: owed)
        owed = max(owed - start.duration(to: .now), .zero - Self.grain * 10)
    }
}
