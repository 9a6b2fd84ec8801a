// What a reconnecting client acts on: something that opens connections, and something that tells
// time. Both are closures, so that a test can drive each call's outcome and moment by hand.

import EventLoop

/// Where a reconnecting client gets its connections, and instances made of them.
struct ReconnectingSource<Instance: Sendable>: Sendable {
    /// A connection that is open and not prepared yet.
    struct Opened: Sendable {
        /// Makes the instance; called once at most.
        var prepare: @Sendable () async throws -> Instance
        /// Returns when the connection is over; throws only when cancelled.
        var ended: @Sendable () async throws -> ConnectionEnd
        /// Closes gently, and returns when it is closed.
        var close: @Sendable () async -> Void
        /// Resets at once; a `close` under way then returns.
        var abort: @Sendable () -> Void
    }

    /// What errors and the log call it.
    var name: String
    /// Makes one attempt.
    var connect: @Sendable () async throws -> Opened
}

extension ReconnectingSource {
    init(
        _ endpoint: some ClientEndpoint,
        in context: EndpointContext,
        prepare: @escaping @Sendable (isolated Connection) async throws -> Instance
    ) {
        name = endpoint.redacted
        connect = {
            let connection = try await endpoint.connectObserved(in: context)
            return Opened(
                prepare: { try await prepare(connection) },
                ended: { try await connection.ended() },
                close: { await connection.close() },
                abort: { connection.abort() }
            )
        }
    }
}

/// The time that a reconnecting client waits by.
struct ReconnectingTime: Sendable {
    /// Waits; returns early only when cancelled.
    var sleep: @Sendable (Duration) async -> Void
    /// Starts to measure; what it returns tells how long ago that was.
    var stopwatch: @Sendable () -> @Sendable () -> Duration

    /// A clock of the program's own.
    init(_ clock: any Clock<Duration>) {
        sleep = { try? await clock.sleep(for: $0) }
        stopwatch = { Self.stopwatch(by: clock) }
    }

    /// The timers of one of the loops.
    init(_ loops: EventLoopGroup) {
        // Not the next in turn: clients that take turns with their own connections would leave
        // every second loop without any.
        let loop = loops.loops.randomElement() ?? loops.next()
        sleep = { duration in
            do {
                try await loop.sleep(for: duration)
            } catch {
                // A loop that was shut down does not wait; attempts must not follow at once.
                try? await Task.sleep(for: duration)
            }
        }
        stopwatch = { Self.stopwatch(by: ContinuousClock()) }
    }

    private static func stopwatch(by clock: some Clock<Duration>) -> @Sendable () -> Duration {
        let start = clock.now
        return { start.duration(to: clock.now) }
    }
}
