// Faults between two ends. A faulty connection is one end of a memory pair; a task carries the bytes
// between the other end and the real connection, and does to them what the scripts say. So faults can
// be put before any endpoint, on either side, and what is under test is the real thing.
//
// The carrying task belongs to nobody's scope: it ends with the connection, whichever end is closed
// first, since each direction ends when its reader or its writer does. A reset of either end ends it at
// once, in the middle of a pause too.
//
// A pause of a few microseconds is not worth a timer, whose grain is a millisecond: short ones add up
// until they are, and what a timer slept too long is taken off the next. So a bandwidth is what the
// script says, in however small pieces. A clock that the test moves is asked for each pause.

import Endpoints
import EventLoop

/// The faults of a connection, as its holder sees them.
public struct ConnectionFaults: Sendable, Hashable {
    /// Of the bytes that are written.
    public var written: FaultScript
    /// Of the bytes that are read.
    public var read: FaultScript

    /// Makes the faults of a connection.
    ///
    /// - Parameters:
    ///   - written: Of the bytes that are written; none unless told.
    ///   - read: Of the bytes that are read; none unless told.
    public init(written: FaultScript = FaultScript(), read: FaultScript = FaultScript()) {
        self.written = written
        self.read = read
    }
}

/// A client's endpoint whose connections have faults.
public struct FaultyClientEndpoint: ClientEndpoint {
    /// Where to connect.
    public var inner: any ClientEndpoint
    /// What goes wrong.
    public var faults: ConnectionFaults
    /// What the pauses of the faults are measured by; `nil` for real time.
    public var clock: (any Clock<Duration>)?

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - inner: Where to connect.
    ///   - faults: What goes wrong.
    ///   - clock: What the pauses are measured by, such as a ``ManualClock``; real time unless told.
    public init(
        _ inner: any ClientEndpoint,
        _ faults: ConnectionFaults,
        clock: (any Clock<Duration>)? = nil
    ) {
        self.inner = inner
        self.faults = faults
        self.clock = clock
    }

    /// The inner endpoint's string, and that it is faulty: not a string that makes one.
    public var description: String { "faulty:[\(inner)]" }

    /// The same with secrets masked.
    public var redacted: String { "faulty:[\(inner.redacted)]" }

    /// Connects; see `ClientEndpoint.connect(in:)`.
    ///
    /// - Throws: What the inner endpoint throws.
    public func connect(in context: EndpointContext) async throws -> Connection {
        try await inner.connect(in: context).withFaults(faults, clock: clock)
    }
}

/// A server's endpoint whose connections have faults.
public struct FaultyServerEndpoint: ServerEndpoint {
    /// Where to listen.
    public var inner: any ServerEndpoint
    /// What goes wrong.
    public var faults: ConnectionFaults
    /// What the pauses of the faults are measured by; `nil` for real time.
    public var clock: (any Clock<Duration>)?

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - inner: Where to listen.
    ///   - faults: What goes wrong.
    ///   - clock: What the pauses are measured by, such as a ``ManualClock``; real time unless told.
    public init(
        _ inner: any ServerEndpoint,
        _ faults: ConnectionFaults,
        clock: (any Clock<Duration>)? = nil
    ) {
        self.inner = inner
        self.faults = faults
        self.clock = clock
    }

    /// The inner endpoint's string, and that it is faulty: not a string that makes one.
    public var description: String { "faulty:[\(inner)]" }

    /// The same with secrets masked.
    public var redacted: String { "faulty:[\(inner.redacted)]" }

    /// Listens; see `ServerEndpoint.listen(in:)`.
    ///
    /// - Throws: What the inner endpoint throws.
    public func listen(in context: EndpointContext) async throws -> Listener {
        let (faults, clock) = (faults, clock)
        return try await inner.listen(
            in: context.naming(self).preparing("faults") { $0.withFaults(faults, clock: clock) }
        )
    }
}

extension Connection {
    /// A connection that carries this one's bytes, with faults; this one is used up.
    ///
    /// - Parameters:
    ///   - faults: What goes wrong.
    ///   - clock: What the pauses are measured by, such as a ``ManualClock``; real time unless told.
    /// - Returns: The connection to use from now on. Its addresses say `memory`.
    public nonisolated func withFaults(
        _ faults: ConnectionFaults,
        clock: (any Clock<Duration>)? = nil
    ) -> Connection {
        let (outer, inner) = Connection.memoryPair()
        let pump = FaultPump(near: inner, far: self, clock: clock)
        Task { await pump.run(faults) }
        return outer
    }

    /// Two connections of this process with faults between them.
    ///
    /// - Parameters:
    ///   - faults: What goes wrong, as the first end sees it.
    ///   - clock: What the pauses are measured by, such as a ``ManualClock``; real time unless told.
    /// - Returns: The two ends.
    public static func memoryPair(
        faults: ConnectionFaults,
        clock: (any Clock<Duration>)? = nil
    ) -> (Connection, Connection) {
        let (near, far) = memoryPair()
        return (near.withFaults(faults, clock: clock), far)
    }
}

/// Carries bytes between two connections.
private struct FaultPump: Sendable {
    /// Towards who asked for faults.
    let near: Connection
    let far: Connection
    let clock: (any Clock<Duration>)?

    private enum News { case directionIsOver, isReset, nothing }

    func run(_ faults: ConnectionFaults) async {
        await withTaskGroup(of: News.self) { group in
            group.addTask { await carry(from: near, to: far, faults.written) }
            group.addTask { await carry(from: far, to: near, faults.read) }
            for end in [near, far] { group.addTask { await isReset(end) ? .isReset : .nothing } }
            var left = 2
            for await news in group {
                if news == .directionIsOver { left -= 1 }
                if news == .isReset || left == 0 { group.cancelAll() }
            }
        }
        await near.close()
        await far.close()
    }

    /// Waits for an end that is not in order.
    private func isReset(_ connection: Connection) async -> Bool {
        switch try? await connection.ended() {
        case .failed, .truncated: true
        case .peerClosed, .closed, nil: false
        }
    }

    /// One direction, to its end.
    private func carry(from source: Connection, to sink: Connection, _ script: FaultScript) async
        -> News
    {
        var walk = FaultWalk(script)
        var pauses = Pauses(clock: clock)
        do {
            var passes = try await take(walk.begin(), sink, &pauses)
            while passes, let bytes = try await source.read(atMost: 65_536) {
                passes = try await take(walk.handle(bytes), sink, &pauses)
            }
            if passes {
                _ = try await take(walk.handleEnd(), sink, &pauses)
            } else {
                await drop(source, sink)
            }
        } catch let error as EndpointError where error.code == .closed {
            // We did it: the other direction has reset both.
        } catch {
            // What one end suffers the other is to see.
            near.abort()
            far.abort()
        }
        return .directionIsOver
    }

    /// Takes steps; false if nothing more is to pass.
    private func take(
        _ steps: [FaultWalk.Step],
        _ sink: Connection,
        _ pauses: inout Pauses
    ) async throws -> Bool {
        for step in steps {
            switch step {
            case .wait(let duration): try await pauses.wait(duration)
            case .pass(let bytes): try await sink.write(bytes)
            case .end:
                try await sink.closeWrite()
                return false
            case .reset:
                near.abort()
                far.abort()
                return false
            case .vanish: return false
            }
        }
        return true
    }

    /// Reads on, so that the sender is not told, until either end is gone.
    private func drop(_ source: Connection, _ sink: Connection) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                while let bytes = try? await source.read(atMost: 65_536), !bytes.isEmpty {}
            }
            group.addTask { _ = try? await sink.ended() }
            await group.waitForAll()
        }
    }
}

/// The pauses of one direction.
private struct Pauses {
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
