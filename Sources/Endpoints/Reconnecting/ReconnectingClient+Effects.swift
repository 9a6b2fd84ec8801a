// What the state machine decides, done: tasks for what takes time, and news for who waits.
//
// Each task comes back to the actor with one event. `cancel()` and the look at `Task.isCancelled`
// both happen in the actor, so a timer or a watcher that was cancelled says nothing any more, even
// if it had already ended. The attempt and the closing are never dropped: they always report, since
// the machine waits until they are gone.
//
// An ending must not inherit the cancellation of what it ends, for a cancelled `close()` resets.
// So it runs in a task of its own, and is bounded in time instead.

extension ReconnectingClient {
    /// Takes an event, with the error it came by.
    func apply(_ event: ReconnectingState.Event, after error: (any Error)? = nil) {
        let phase = machine.phase
        for effect in machine.handle(event) { perform(effect, after: error) }
        if machine.phase != phase { publish() }
    }

    private func perform(_ effect: ReconnectingState.Effect, after error: (any Error)?) {
        switch effect {
        case .connect: attempt = Task { await makeAttempt() }
        case .cancelAttempt: attempt?.cancel()
        case .shareInstance: shareInstance()
        case .withdrawInstance: current = nil
        case .reportFailure: reportFailure(error ?? CancellationError())
        case .wait(let failures): startTimer(after: failures, error: error)
        case .cancelWait: timer?.cancel()
        case .close: startClosing(within: nil)
        case .discard: startClosing(within: reconnectingGrace)
        case .abort: connection?.abort()
        case .finishStops: finishStops()
        case .end: end()
        }
    }

    // MARK: attempt

    private func makeAttempt() async {
        do {
            prepared = try await connectAndPrepare()
        } catch {
            return apply(.attemptFailed, after: error)
        }
        lifetime = time.stopwatch()
        apply(.attemptSucceeded)
        prepared = nil
    }

    private func connectAndPrepare() async throws -> Instance {
        let opened = try await source.connect()
        connection = opened
        watcher = Task { await watch(opened) }
        do {
            try Task.checkCancellation()
            return try await opened.prepare()
        } catch {
            await Task { await close(opened, within: reconnectingGrace) }.value
            throw error
        }
    }

    /// Notices that the connection is gone, whether anybody uses it or not.
    private func watch(_ opened: ReconnectingSource<Instance>.Opened) async {
        guard let end = try? await opened.ended(), !Task.isCancelled else { return }
        if machine.state == .connecting {
            apply(.connectionLost(after: .zero), after: failure(of: end) ?? lossWhilePreparing(end))
        } else {
            apply(.connectionLost(after: lifetime?() ?? .zero), after: failure(of: end))
        }
    }

    private func failure(of end: ConnectionEnd) -> EndpointError? {
        switch end {
        case .closed, .peerClosed: nil
        case .truncated: EndpointError(.truncated, operation: "read", endpoint: source.name)
        case .failed(let error): error
        }
    }

    private func lossWhilePreparing(_ end: ConnectionEnd) -> EndpointError {
        if case .closed = end {
            return EndpointError(.closed, operation: "prepare", endpoint: source.name)
        }
        return EndpointError(
            .unexpectedEnd,
            operation: "prepare",
            endpoint: source.name,
            reason: "the peer has ended the connection"
        )
    }

    // MARK: closing

    private func startClosing(within limit: Duration?) {
        guard let connection else { return }
        Task {
            await close(connection, within: limit)
            apply(.connectionClosed)
        }
    }

    /// Closes, and resets if that takes longer than `limit`; then no task of the connection is left.
    private func close(
        _ opened: ReconnectingSource<Instance>.Opened,
        within limit: Duration?
    ) async {
        watcher?.cancel()
        let limiter = limit.map { limit in
            Task {
                await time.sleep(limit)
                if !Task.isCancelled { opened.abort() }
            }
        }
        await opened.close()
        limiter?.cancel()
        await watcher?.value
        watcher = nil
        connection = nil
    }

    // MARK: waiting for the next attempt

    private func startTimer(after failures: Int, error: (any Error)?) {
        let delay = retry.delay(afterFailures: failures, using: &random)
        if let error { lastError = error }
        wait = (delay, error, time.stopwatch())
        observer?.willReconnect(to: source.name, after: delay, error)
        timer = Task {
            await time.sleep(delay)
            if !Task.isCancelled { apply(.waitEnded) }
        }
        logger.info(
            error == nil ? "connection ended, will reconnect" : "will try to connect again",
            metadata: [
                "endpoint": "\(source.name)", "failures": "\(failures)", "delay": "\(delay)",
                "error": "\(error.map { "\($0)" } ?? "none")",
            ]
        )
    }

    // MARK: news

    private func shareInstance() {
        guard let prepared else { return }
        instanceCount += 1
        current = (instanceCount, prepared)
        logger.debug("connected", metadata: ["endpoint": "\(source.name)"])
        for waiter in waiters.values {
            if case .instance = waiter.purpose { finish(waiter, with: .success(prepared)) }
        }
    }

    private func reportFailure(_ error: any Error) {
        for waiter in waiters.values {
            guard case .instance(let left?) = waiter.purpose else { continue }
            waiter.purpose = .instance(failuresLeft: left - 1)
            if left <= 1 { finish(waiter, with: .failure(error)) }
        }
    }

    private func finishStops() {
        for waiter in waiters.values {
            if case .stop = waiter.purpose { finish(waiter) }
        }
    }

    private func end() {
        stopCount += 1
        for waiter in waiters.values {
            switch waiter.purpose {
            case .instance: finish(waiter, with: .failure(CancellationError()))
            case .end: finish(waiter)
            case .news, .stop: break
            }
        }
    }

    private func publish() {
        recentStates.append(visibleState)
        if recentStates.count > Self.recentStatesLimit { recentStates.removeFirst() }
        stateCount.wrappingAdd(1, ordering: .releasing)
        for waiter in waiters.values {
            if case .news = waiter.purpose { finish(waiter) }
        }
    }

    private var visibleState: ReconnectingClientState {
        switch machine.phase {
        case .idle: .idle
        case .connecting(let attempt): .connecting(attempt: attempt)
        case .connected: .connected
        case .waiting: .waiting(for: wait?.delay ?? .zero, after: wait?.error)
        case .stopping: .stopping
        case .stopped: .stopped
        }
    }
}
