// Faults between two ends. A faulty connection is one end of a memory pair; a task carries the bytes
// between the other end and the real connection (FaultPump). So faults can be put before any endpoint,
// on either side, and what is under test is the real thing.

import Endpoints

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
    /// Closing it returns when what was written has passed and this one is closed; where the peer's end
    /// was read before, at once, and the rest follows. What has not passed after a second, times
    /// ``TestPatience``, passes without the close, if it is only slow; behind a stall this one is reset
    /// then, and behind a black hole at once.
    ///
    /// - Parameters:
    ///   - faults: What goes wrong.
    ///   - clock: What the pauses are measured by, such as a ``ManualClock``; real time unless told.
    /// - Returns: The connection to use from now on. Its addresses say `memory`.
    public nonisolated func withFaults(
        _ faults: ConnectionFaults,
        clock: (any Clock<Duration>)? = nil
    ) -> Connection {
        let (closing, tell) = AsyncStream.makeStream(of: Void.self)
        let (outer, inner) = Connection.carriedPair { tell.finish() }
        let pump = FaultPump(near: inner, far: self, clock: clock)
        Task { await pump.run(faults, until: closing) }
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
