// Joining two connections: what one sends the other gets, in both directions, until both have ended.
//
// The hard part is the end (RelayState). An end is passed on as a half-close, so that a request whose end
// is its end-of-stream still gets its answer. An error is passed on as a reset; but a reset drops what our
// kernel still holds, so before it the other side gets the time to take that. And since a task that waits
// to write to one side does not see what happens to the other, each connection tells of its end itself.

import EventLoop

/// Moves bytes between two connections, both ways, until both peers have ended their streams.
///
/// A peer's end is passed on with `closeWrite`. When one side fails, what it has sent is delivered to the
/// other; then both connections are aborted, so that both peers learn of it. A write that fails ends its own
/// direction only, until the bytes that come from that side have been delivered. A peer that takes nothing
/// for 30 seconds is not waited for any longer. The connections are not closed otherwise.
///
/// Bytes whose sender has an acknowledgement for them, and which were not delivered, are counted in the
/// error's ``EndpointError/bytesLost``. Over TLS its own bytes count, too.
///
/// Cancellation: stops; bytes that were read and not yet written are lost.
///
/// - Parameters:
///   - a: One connection.
///   - b: The other.
///   - halfClose: Time limit for a pair of which one side has ended or failed; any byte that moves starts it
///     anew. Defaults to 60 seconds. `nil` means no limit.
/// - Returns: How many bytes went from `a` to `b`, and from `b` to `a`.
/// - Throws: `CancellationError`, or the ``EndpointError`` of the direction that failed first; `timedOut` after
///   `halfClose`.
@discardableResult
public func relay(
    between a: Connection,
    and b: Connection,
    halfClose: Duration? = .seconds(60)
) async throws -> (forward: Int, backward: Int) {
    try await Relay(a, b, halfClose: halfClose).run()
}

/// One call of ``relay(between:and:halfClose:)``.
private struct Relay: Sendable {
    private typealias Side = RelayState.Side
    private let a: Connection
    private let b: Connection
    private let halfClose: Duration?
    private let events: AsyncStream<RelayState.Event>
    private let report: AsyncStream<RelayState.Event>.Continuation

    init(_ a: Connection, _ b: Connection, halfClose: Duration?) {
        self.a = a
        self.b = b
        self.halfClose = halfClose
        (events, report) = AsyncStream.makeStream()
    }

    private func connection(_ side: Side) -> Connection { side == .a ? a : b }

    func run() async throws -> (forward: Int, backward: Int) {
        let written = (a: await a.byteCounts.written, b: await b.byteCounts.written)
        for side in Side.allCases { await watchEnd(of: side) }
        let (state, read) = await move()
        for side in Side.allCases { await connection(side).watchEnd(nil) }
        if !state.hasStopped {
            let left = (
                forward: await b.shortfall(of: read.forward, since: written.b),
                backward: await a.shortfall(of: read.backward, since: written.a)
            )
            await noteLoss(left.forward + left.backward)
            throw CancellationError()
        }
        guard let failure = state.failure else { return read }
        // What was written is delivered before the reset drops it.
        async let drained: Void = a.drainWritten()
        await b.drainWritten()
        await drained
        let lost =
            await b.loss(of: read.forward, since: written.b) + a.unreadCount
            + a.loss(of: read.backward, since: written.a) + b.unreadCount
        await noteLoss(lost)
        a.abort()
        b.abort()
        throw failure.losing(lost)
    }

    /// Moves bytes until the relay has ended, or is cancelled; answers how, and how many were read.
    private func move() async -> (RelayState, (forward: Int, backward: Int)) {
        await withTaskGroup(of: (side: Side, count: Int)?.self) { group in
            for side in Side.allCases {
                group.addTask(executorPreference: connection(side).loop) {
                    (side, await pump(from: side))
                }
            }
            var state = RelayState()
            var isLimited = halfClose == nil
            loop: for await event in events {
                switch state.handle(event) {
                case .goOn: break
                case .limitTime:
                    if isLimited { break }
                    isLimited = true
                    group.addTask(executorPreference: a.loop) {
                        await limitTime()
                        return nil
                    }
                case .stop: break loop
                }
            }
            group.cancelAll()
            var read = (forward: 0, backward: 0)
            for await result in group {
                guard let result else { continue }
                if result.side == .a {
                    read.forward = result.count
                } else {
                    read.backward = result.count
                }
            }
            return (state, read)
        }
    }

    /// One direction, to its end; answers how many bytes were read.
    private func pump(from side: Side) async -> Int {
        let (source, target) = (connection(side), connection(side.other))
        var count = 0
        var last = 0
        do {
            while true {
                var buffer = ReadBuffer(capacity: target.relayedRead(after: last))
                do { last = try await source.read(into: &buffer) } catch let error as EndpointError
                {
                    report.yield(.readFailed(side, error))
                    return count
                }
                if last == 0 { break }
                count += last
                try await target.write(draining: &buffer)
            }
            try await target.closeWrite()
            report.yield(.ended(side))
        } catch let error as EndpointError {
            report.yield(.writeFailed(from: side, error))
        } catch {
            // Cancelled: by the relay's own end, or with its caller.
            report.finish()
        }
        return count
    }

    private func watchEnd(of side: Side) async {
        await connection(side).watchEnd { [report] connection in
            switch connection.fullEnd {
            case nil, .peerClosed?: report.yield(.ending(side))
            case .failed(let error)?: report.yield(.gone(side, error))
            case .closed?, .truncated?:
                report.yield(.gone(side, connection.error(.closed, "relay")))
            }
        }
    }

    /// Reports when nothing has moved for as long as a half-open pair may last.
    private func limitTime() async {
        guard let halfClose else { return }
        let limit = halfClose.nanosecondsClamped
        let pause = Duration.nanoseconds(max(limit / 4, 1_000_000))
        var seen = await (a.movement, b.movement)
        var lastMoved = a.loop.now
        while (try? await a.loop.sleep(for: pause)) != nil {
            let movement = await (a.movement, b.movement)
            if movement != seen {
                (seen, lastMoved) = (movement, a.loop.now)
            } else if a.loop.now &- lastMoved >= limit {
                let reason = "half-open, and nothing has moved for \(halfClose.inSeconds)"
                report.yield(.timeUp(a.error(.timedOut, "relay", reason: reason)))
                return
            }
        }
    }

    private func noteLoss(_ count: Int) async {
        guard count > 0 else { return }
        await a.noteLoss(count)
        await b.noteLoss(count)
    }
}
