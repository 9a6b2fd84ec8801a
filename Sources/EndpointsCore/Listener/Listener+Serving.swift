// Serving: a child task for each connection, on the connection's loop, in a scope that ends when
// all of them have.
//
// The scope's own task accepts, on the listener's loop. Three things can end it: `close` and `drain`
// (no more connections; wait for the handlers), the death of the listener, and cancellation, which
// reaches each handler as the child task that it is. ServeSession counts them.

import EventLoop

extension Listener {
    /// Runs `handler` for each connection, as a child task on the connection's loop.
    ///
    /// A connection is closed when its handler returns or throws; what it throws is logged and touches
    /// no other connection. Returns when the listener was closed or drained and all handlers have
    /// ended.
    ///
    /// Cancellation: closes the listener, cancels the handlers, and throws when they have ended.
    /// Connections that were accepted and not yet served are closed.
    ///
    /// - Parameters:
    ///   - maxConnections: How many connections may be open at once; more wait in the
    ///     kernel's queue. 100,000 unless told; at least 1.
    ///   - handler: Runs on the connection's loop, isolated to it.
    /// - Throws: `CancellationError`, or the ``EndpointError`` that ended the listener.
    public nonisolated func serve(
        maxConnections: Int = 100_000,
        _ handler: @escaping @Sendable (isolated Connection) async throws -> Void
    ) async throws {
        try await serve(limits: ServeLimits(connections: maxConnections), handler)
    }

    /// Runs `handler` for each connection within limits; else as ``serve(maxConnections:_:)``.
    ///
    /// Of several calls at once on a listener with handshakes, the last one's `handshakes` and
    /// `sourceRate` count.
    ///
    /// Cancellation: closes the listener, cancels the handlers, and throws when they have ended.
    ///
    /// - Parameters:
    ///   - limits: What the clients may have.
    ///   - handler: Runs on the connection's loop, isolated to it.
    /// - Throws: `CancellationError`, or the ``EndpointError`` that ended the listener.
    public nonisolated func serve(
        limits: ServeLimits,
        _ handler: @escaping @Sendable (isolated Connection) async throws -> Void
    ) async throws {
        let session = ServeSession(limits, of: self)
        await withTaskExecutorPreference(loop) {
            await begin(session)
            await withDiscardingTaskGroup { group in
                while let connection = await nextToServe(session) {
                    guard session.insert(connection) else {
                        connection.abort()
                        break
                    }
                    connection.limitTime(to: limits)
                    group.addTask(executorPreference: connection.loop) {
                        await connection.run(handler, in: session, of: self)
                    }
                }
                if Task.isCancelled { await close() }
                await waitForHandlers(of: session)
                if session.isAbandoned || Task.isCancelled {
                    group.cancelAll()
                    session.cancelHandlers()
                }
            }
            await end(session)
        }
        try Task.checkCancellation()
        if let failure = await failure { throw failure }
    }

    /// What calls wait for, and since when.
    var suspendedCalls: [SuspendedCall] {
        (waiters + drainers + sessions.map(\.gate)).map(\.call).filter { $0.operation != .none }
    }

    private func begin(_ session: ServeSession) {
        sessions.append(session)
        guard let preparations else { return }
        preparations.limit = Swift.max(session.limits.handshakes, 1)
        preparations.sources = session.sources
    }

    private func end(_ session: ServeSession) {
        sessions.removeAll { $0 === session }
        wakeDrainers()
    }

    /// The next connection, when there is a place for it.
    private nonisolated(nonsending) func nextToServe(_ session: ServeSession) async -> Connection? {
        while true {
            while mustWaitForPlace(in: session) && !Task.isCancelled {
                await waitForPlace(in: session)
            }
            guard !session.isAbandoned, let connection = await accept() else { return nil }
            // Those with stages were asked before them.
            if preparations != nil || isAdmitted(connection, by: session.sources) {
                return connection
            }
        }
    }

    private func waitForPlace(in session: ServeSession) async {
        session.gate.close(for: .place)
        if mustWaitForPlace(in: session) { await wait(at: session.gate) }
    }

    private nonisolated func mustWaitForPlace(in session: ServeSession) -> Bool {
        session.isFull && !session.isAbandoned && phase != .closed
    }

    /// Waits until all handlers have ended, or are to be cancelled.
    private func waitForHandlers(of session: ServeSession) async {
        session.awaitEnd()
        // On a loop that ends the group waits for them, as it does in any case.
        while session.liveCount > 0 && !session.isAbandoned && !Task.isCancelled && !loop.isStopping
        {
            session.gate.close(for: .handlers)
            guard session.liveCount > 0, !session.isAbandoned else { return }
            await wait(at: session.gate)
        }
    }

    private func wait(at gate: Gate) async {
        await withTaskCancellationHandler {
            if !Task.isCancelled { await self.passThrough(gate) }
        } onCancel: {
            loop.run { self.wake(gate) }
        }
    }

    private func passThrough(_ gate: Gate) async { await gate.pass() }

    /// A served connection has lost bytes.
    fileprivate nonisolated func reportLoss(of connection: Connection) {
        watchers.send(.lost(connection.remoteAddress, bytes: connection.bytesLostAtEnd))
    }

    /// A descriptor was given back: an exhausted listener need not wait any longer.
    ///
    /// On any loop.
    fileprivate nonisolated func noteClosed() {
        guard isPausing.load(ordering: .relaxed) else { return }
        loop.run { self.endPause() }
    }
}

extension Connection {
    /// Runs a handler, and closes the connection behind it.
    ///
    /// Its frame stays small: with those of the handler and of a read it must fit the task's first slab
    /// of memory, or every idle connection holds a second.
    fileprivate func run(
        _ handler: @Sendable (isolated Connection) async throws -> Void,
        in session: ServeSession,
        of listener: Listener
    ) async {
        own()
        // The loop may have been busy from when it was accepted until a drain had returned.
        if !session.isAbandoned {
            observeHandler()
            do { try await handler(self) } catch { noteFailure(of: error) }
        }
        disown()
        await closeShielded()
        if latest.bytesLostAtEnd > 0 { listener.reportLoss(of: latest) }
        endLife()
        session.remove(self)
        listener.noteClosed()
    }

    /// Logs what a handler threw.
    private func noteFailure(of error: any Error) {
        if error is CancellationError { return }
        origin.logger.info("connection handler failed", metadata: logMetadata(of: error))
    }
}

/// Serves several listeners in one scope; see ``Listener/serve(maxConnections:_:)``.
///
/// The first that fails ends the others.
///
/// Cancellation: closes all listeners, cancels the handlers, and throws when they have ended.
///
/// - Parameters:
///   - listeners: Where connections come from.
///   - limits: What the clients of each listener may have; the usual unless told.
///   - handler: Runs on the connection's loop, isolated to it.
/// - Throws: `CancellationError`, or the ``EndpointError`` that ended a listener.
public func serve(
    on listeners: [Listener],
    limits: ServeLimits = ServeLimits(),
    _ handler: @escaping @Sendable (isolated Connection) async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for listener in listeners {
            group.addTask { try await listener.serve(limits: limits, handler) }
        }
        // Not `waitForAll`, which would go on waiting for the others after the first error.
        while try await group.next() != nil {}
    }
}

extension ServerEndpoint {
    /// Listens, and serves what connects; see ``Listener/serve(maxConnections:_:)``.
    ///
    /// Cancellation: closes the listener, cancels the handlers, and throws when they have ended.
    ///
    /// - Throws: `CancellationError`, or the ``EndpointError`` of `listen` or the listener.
    public func serve(
        in context: EndpointContext = EndpointContext(),
        maxConnections: Int = 100_000,
        _ handler: @escaping @Sendable (isolated Connection) async throws -> Void
    ) async throws {
        let limits = ServeLimits(connections: maxConnections)
        try await serve(in: context, limits: limits, handler)
    }

    /// Listens, and serves what connects within limits; see ``Listener/serve(limits:_:)``.
    ///
    /// Cancellation: closes the listener, cancels the handlers, and throws when they have ended.
    ///
    /// - Throws: `CancellationError`, or the ``EndpointError`` of `listen` or the listener.
    public func serve(
        in context: EndpointContext = EndpointContext(),
        limits: ServeLimits,
        _ handler: @escaping @Sendable (isolated Connection) async throws -> Void
    ) async throws {
        let listener = try await listen(in: context)
        try await listener.serve(limits: limits, handler)
        await listener.close()
    }
}
