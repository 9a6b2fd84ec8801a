// The end of a listener. `close` ends accepting; `drain` also waits for the handlers.
//
// Closing a listening socket resets the connections that the kernel has queued, though their peers
// believe them established. So both take these first: `drain` serves them, `close` closes them.
// A socket that others hold too (systemd's) keeps its queue for whoever listens next.
//
// A drain meets connections that are not ready: in a handshake, or before their PROXY header. Most are
// ready within milliseconds, and their clients want an answer. Some stay silent, and must not hold up a
// restart for the ten seconds that a handshake may take. So each has a second from when it was accepted.
// One that is cut off has lost nothing: its client has sent no request yet, and can try again. At the
// drain's deadline all of them end, and `endNow` and `ServeSession.abandon` see to it that no handler
// starts after that.

import CEndpoints
import EventLoop

/// What became of a listener's connections when it was drained.
public struct DrainResult: Sendable, Hashable {
    /// Handlers that ended by themselves.
    public var finished: Int
    /// Connections that were aborted when the time was over.
    public var aborted: Int
}

extension Listener {
    /// Connections that `close` takes from a queue: a backlog's worth, should new ones keep coming.
    static let mostDropped = 65_536

    /// Ends accepting; when it returns the port is free, and a UNIX path is gone.
    ///
    /// Iteration ends, and `serve` returns when its handlers have; connections that were handed out
    /// are not touched. A second call does nothing.
    ///
    /// Cancellation is not looked at: closing waits for nobody.
    public func close() {
        guard phase != .closed else { return }
        if phase.accepts { dropQueued() }
        endNow()
    }

    /// Ends accepting, waits for the handlers of `serve`, and aborts those that take longer.
    ///
    /// Connections that wait in the kernel's queue are served first. A connection that is still in its
    /// handshake or PROXY header is served if it is ready within a second of being accepted, and reset
    /// if it is not; it is not counted. No handler starts after the call has returned.
    ///
    /// What was handed out by iterating is its user's, and neither waited for nor counted. Of several
    /// calls at once the shortest time counts for all, and what one has aborted is aborted to the others
    /// too.
    ///
    /// Cancellation: aborts the rest at once. So does the end of the listener's event loop.
    ///
    /// - Parameter timeout: How long to wait; zero aborts at once.
    /// - Returns: How many handlers ended by themselves from now on, and how many were aborted.
    @discardableResult
    public func drain(within timeout: Duration) async -> DrainResult {
        let drained = sessions
        let before = drained.map(\.result)
        beginDraining()
        let deadline = loop.now &+ timeout.nanosecondsClamped
        let gate = Gate(loop, of: self)
        drainers.append(gate)
        let timer = loop.schedule(at: deadline) { self.wake(gate) }
        while !Task.isCancelled && loop.now < deadline && isBusy(drained) && !loop.isStopping {
            gate.close(for: .drain)
            await waitToDrain(at: gate)
        }
        loop.cancel(timer)
        drainers.removeAll { $0 === gate }
        var result = DrainResult(finished: 0, aborted: 0)
        for (session, before) in zip(drained, before) {
            let now = session.abandon()
            result.finished += now.finished - before.finished
            result.aborted += now.aborted - before.aborted
        }
        close()
        return result
    }

    private func waitToDrain(at gate: Gate) async {
        await withTaskCancellationHandler {
            if !Task.isCancelled { await self.pause(at: gate) }
        } onCancel: {
            loop.run { self.wake(gate) }
        }
    }

    private func pause(at gate: Gate) async { await gate.pass() }

    /// Whether some `serve` among these has not ended.
    private func isBusy(_ drained: [ServeSession]) -> Bool {
        drained.contains { session in sessions.contains { $0 === session } }
    }

    /// Lets the acceptors take what is queued; the last of it closes the sockets.
    private func beginDraining() {
        guard phase == .listening else { return }
        phase = .draining
        isSuspended = false
        for source in sources { source.queue.mayHaveMore = !source.isShared }
        endPause()
        wakeAcceptors()
        for session in sessions { session.wake() }
    }

    /// No source has another connection: what is being prepared is handed out, and then nothing.
    ///
    /// On the loop.
    nonisolated func finishAccepting() {
        guard phase.accepts else { return }
        closeSources()
        phase = .drained
        endIfDone()
    }

    /// Ends the listener when it has handed out its last connection.
    ///
    /// On the loop.
    nonisolated func endIfDone() {
        if phase == .drained, preparations?.isEmpty ?? true { endNow() }
    }

    /// The end of every way: from now on nothing is accepted, prepared, or handed out.
    ///
    /// On the loop.
    nonisolated func endNow() {
        guard phase != .closed else { return }
        phase = .closed
        closeSources()
        dropPreparations()
        watchers.finish()
        wakeAcceptors()
        for session in sessions { session.wake() }
    }

    func wakeDrainers() {
        for gate in drainers { wake(gate) }
    }

    /// Takes and closes what is queued.
    private func dropQueued() {
        for source in sources where !source.isShared {
            var left = Self.mostDropped
            while left > 0, case .connection(let transport, _) = source.next() {
                transport.base.close(on: loop, reset: false)
                left -= 1
            }
        }
    }

    nonisolated func closeSources() {
        if let timer = pauseTimer { loop.cancel(timer) }
        pauseTimer = nil
        for source in sources { source.close(on: loop) }
    }
}
