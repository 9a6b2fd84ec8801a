// Accepting, on demand: a system call is made when somebody waits for a connection.
//
// Thousands may be waiting, in the kernel's queue or as a flood that is refused. So each attempt, also
// one that fails or is refused, is charged to the loop's budget, and an acceptor whose budget is spent
// lets others run: it hops through an open gate to the end of the loop's queue.

import CEndpoints
import EventLoop

extension Listener {
    /// What an attempt to accept is charged to the loop's budget: its price in microseconds.
    static let acceptCost = 8
    /// What refusing a connection costs on top: an error for those who watch, and a reset.
    static let refusalCost = 8

    /// The next connection; `nil` when the listener is closed or the task is cancelled.
    nonisolated(nonsending) func accept() async -> Connection? {
        if let preparations { return await acceptPrepared(preparations) }
        if loop.isCurrent, !Task.isCancelled, let connection = acceptNow() { return connection }
        return await isolatedAccept()
    }

    private func isolatedAccept() async -> Connection? {
        while true {
            if Task.isCancelled { return nil }
            if let connection = acceptNow() { return connection }
            if !phase.accepts { return nil }
            await waitForNext()
        }
    }

    /// Waits until there may be a connection, or until others have run if that is the reason for none.
    ///
    /// - Parameter deadline: When to look again at the latest, on the loop's clock.
    func waitForNext(until deadline: UInt64? = nil) async {
        if loop.hot.pointee.budget.isSpent { return await pass(turnGate) }
        registerSources()
        if phase == .closed { return }
        let timer = deadline.map { deadline in
            loop.schedule(at: deadline) { [weak self] in self?.wakeAcceptors() }
        }
        await waitToAccept(at: beginAcceptWait())
        if let timer { loop.cancel(timer) }
    }

    /// A place to wait, in the same breath as the look that found nothing (see
    /// `Connection.waitAtReadGate`).
    func beginAcceptWait() -> Gate {
        let gate = Gate(loop, of: self)
        waiters.append(gate)
        gate.close(for: .accept)
        return gate
    }

    func waitToAccept(at gate: Gate) async {
        await withTaskCancellationHandler {
            // By way of self, so that the closure is isolated and stays on the loop.
            if !Task.isCancelled { await self.pass(gate) }
        } onCancel: {
            loop.run { self.wake(gate) }
        }
        waiters.removeAll { $0 === gate }
    }

    func pass(_ gate: Gate) async { await gate.pass() }

    package nonisolated func wake(_ gate: Gate) {
        if let job = gate.open() { loop.append(job) }
    }

    func registerSources() {
        for source in sources {
            let result = source.register(for: self)
            if result == -ESHUTDOWN { return loopWillStop() }
            if result != 0 {
                die(
                    of: EndpointError(errno: result, operation: "listen", endpoint: origin.endpoint)
                )
            }
        }
    }

    /// Takes a connection from the kernel, if there is one and nothing forbids it; a spent budget does.
    ///
    /// On the loop.
    nonisolated func acceptNow() -> Connection? {
        if !phase.accepts || isSuspended || pause.isPausing || loop.isStopping { return nil }
        for source in sources where source.queue.mayHaveMore {
            if let connection = accept(from: source) { return connection }
            if pause.isPausing || loop.hot.pointee.budget.isSpent { return nil }
        }
        if phase == .draining { finishAccepting() }
        return nil
    }

    private nonisolated func accept(from source: any ConnectionSource) -> Connection? {
        while phase.accepts, loop.hot.pointee.budget.take(Self.acceptCost) {
            switch source.next() {
            case .connection(let transport, let facts):
                noteSuccess()
                return makeConnection(transport, facts)
            case .wouldBlock:
                pause.findEmpty()
                return nil
            case .ended:
                endSource(source)
                return nil
            case .failed(let code):
                if !mayGoOn(after: code, on: source) { return nil }
            }
        }
        return nil
    }

    /// Answers a failed attempt: whether to make the next one at once.
    private nonisolated func mayGoOn(after code: Int32, on source: any ConnectionSource) -> Bool {
        switch AcceptFailure(errno: code) {
        case .wouldBlock: source.queue.mayHaveMore = false
        case .connectionLost:
            if !pause.lose() { return true }
            beginPause(code)
        case .exhausted: beginPause(code)
        // What cannot be taken is not waited for when the listener is to end.
        case .refused where phase == .draining: finishAccepting()
        case .refused: beginPause(code)
        case .fatal:
            let name = origin.endpoint
            die(of: EndpointError(errno: code, operation: "accept", endpoint: name))
        }
        return false
    }

    private nonisolated func makeConnection(
        _ transport: any Transport,
        _ facts: ConnectionFacts
    ) -> Connection {
        turn = turn + 1 >= loops.count ? 0 : turn + 1
        if preparations == nil { watchers.send(.accepted(facts.remoteAddress)) }
        // Safe: nobody else has the transport, and it has not been used.
        nonisolated(unsafe) let transport = transport
        let connection = Connection(transport, facts: facts, origin: origin, on: loops[turn])
        connection.observeAccept()
        return connection
    }

    /// A source has given its last connection; the last source ends the listener.
    private nonisolated func endSource(_ source: any ConnectionSource) {
        source.queue.mayHaveMore = false
        source.close(on: loop)
        sources.removeAll { $0 === source }
        if sources.isEmpty { finishAccepting() }
    }

    // MARK: exhaustion

    private nonisolated func beginPause(_ code: Int32) {
        let (delay, isFirst, isLogged) = pause.begin(at: loop.now)
        isPausing.store(true, ordering: .relaxed)
        pauseTimer = loop.schedule(at: loop.now &+ delay) { [weak self] in self?.endPause() }
        guard isFirst || isLogged else { return }
        let error = EndpointError(errno: code, operation: "accept", endpoint: origin.endpoint)
        if isFirst { watchers.send(.paused(error)) }
        guard isLogged else { return }
        origin.logger.warning(
            "accept paused",
            metadata: ["endpoint": "\(origin.endpoint)", "error": "\(error)"]
        )
    }

    /// Tries again: the time is over, or a descriptor was given back.
    nonisolated func endPause() {
        guard pause.isPausing else { return }
        if let timer = pauseTimer { loop.cancel(timer) }
        pauseTimer = nil
        pause.end()
        isPausing.store(false, ordering: .relaxed)
        wakeAcceptors()
    }

    private nonisolated func noteSuccess() {
        let (isEnd, isLogged) = pause.succeed()
        if isEnd { watchers.send(.resumed) }
        guard isLogged else { return }
        origin.logger.info("accept resumed", metadata: ["endpoint": "\(origin.endpoint)"])
    }
}
