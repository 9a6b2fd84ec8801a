// The only place where a task sleeps for a connection.
//
// A call tries first and waits only when that would block. Three rules keep wake-ups from being
// lost or misdirected:
//  1. The gate is closed in the same breath as the check that makes waiting necessary (Gate.swift).
//  2. An event, a cancellation or `close` merely wakes the waiter, which tries again, or finds
//     `isCallerCancelled`, or that the connection is closed. So no state says who woke whom, and a
//     wake-up meant for somebody who has gone is harmless.
//  3. State is touched on the loop's thread only; a cancellation from elsewhere is posted there.
//
// Owner's cancellation: a cancellation handler costs 1,400 instructions to install, and memory of
// each idle connection. `serve` watches the handler's task instead (`ServeSession.cancelHandlers`):
// when that is cancelled it says so, and wakes every waiter of the connection. A wait by any other
// task installs its own handler. "Which task is this" is `swift_task_getCurrent`; were it ever to
// answer nil, every wait would install one.

import CEndpoints
import EventLoop

extension Connection {
    /// Whether the caller is the task that `serve` watches.
    nonisolated var ownsCurrentTask: Bool { isOwner(endpoints_current_task()) }

    nonisolated func isOwner(_ task: UnsafeMutableRawPointer?) -> Bool {
        owner != 0 && owner == UInt(bitPattern: task)
    }

    /// Whether the caller's task is cancelled, or about to be: the owner's watcher may know first.
    package nonisolated var isCallerCancelled: Bool { isCancelled(endpoints_current_task()) }

    nonisolated func isCancelled(_ task: UnsafeMutableRawPointer?) -> Bool {
        endpoints_task_is_cancelled(task) || (isOwnerCancelled && isOwner(task))
    }

    /// Waits at `gate`, which the caller has just closed, until somebody wakes it or the task is
    /// cancelled.
    ///
    /// On the loop, by a caller that is isolated to the connection.
    nonisolated(nonsending) func wait(at gate: Gate) async {
        // A wait that was cancelled before it began leaves no closed gate.
        defer { wake(gate) }
        if ownsCurrentTask {
            if !isCallerCancelled { await gate.pass() }
            return
        }
        await waitUnwatched(at: gate)
    }

    private func waitUnwatched(at gate: Gate) async {
        await withTaskCancellationHandler {
            // By way of self: a closure that does not capture it is not isolated to this actor, and
            // would leave the loop.
            if !Task.isCancelled { await self.pass(gate) }
        } onCancel: {
            loop.run { self.wake(gate) }
        }
    }

    private func pass(_ gate: Gate) async { await gate.pass() }

    /// What calls wait for, and since when.
    ///
    /// On the loop.
    nonisolated var suspendedCalls: [SuspendedCall] {
        var gates = [readGate]
        if let extras {
            if let gate = extras.writeGate { gates.append(gate) }
            gates += extras.writersInLine.map(\.gate) + extras.endWaiters + extras.closeWaiters
        }
        return gates.map(\.call).filter { $0.operation != .none }
            + (extras?.successor?.suspendedCalls ?? [])
    }

    /// Opens a gate, and queues whoever waits there.
    package nonisolated func wake(_ gate: Gate) {
        if let job = gate.open() { loop.append(job) }
    }

    /// Wakes every waiter: the owner was cancelled, or the connection has ended.
    nonisolated func wakeAll() {
        wake(readGate)
        guard let extras else { return }
        if let gate = extras.writeGate { wake(gate) }
        for writer in extras.writersInLine { wake(writer.gate) }
        for gate in extras.endWaiters { wake(gate) }
        for gate in extras.closeWaiters { wake(gate) }
        extras.successor?.wakeAll()
    }

    /// The owner was cancelled.
    nonisolated func noteCancellation() {
        latest.isOwnerCancelled = true
        isOwnerCancelled = true
        wakeAll()
    }

    /// The current task is watched from now on.
    func own() { owner = UInt(bitPattern: endpoints_current_task()) }

    /// The task will soon be gone, and its address may become another's.
    func disown() {
        owner = 0
        isOwnerCancelled = false
        var next = extras?.successor
        while let connection = next {
            connection.owner = 0
            connection.isOwnerCancelled = false
            next = connection.extras?.successor
        }
    }

    // MARK: EventSource

    /// Notes what the transport became ready for, and wakes whoever waits for it.
    package nonisolated func ready(_ readiness: Readiness) {
        base.note(readiness)
        if readiness.isEnding { noteEnding(readiness) }
        if !isPlain {
            if readiness.includes(.writable) { transport.sendLeftovers() }
            noticeEnd()
        }
        if let extras, let gate = extras.writeGate {
            if writerNeedsReadable ? base.isReadable : base.isWritable { wake(gate) }
        }
        guard readerNeedsWritable ? base.isWritable : base.isReadable else { return }
        // At once, while the connection is in the cache.
        if let job = readGate.open() { loop.runNow(job) }
    }

    package nonisolated func loopWillStop() {
        endNow(.closed, reset: false)
    }

    /// Registers with the loop, at the first "would block"; for writing at the first that needs it.
    package nonisolated func register(
        for operation: String,
        _ transfer: Transfer = .needsReadable
    ) throws {
        if !base.isRegistered {
            let result = base.register(on: loop, self)
            if result == -ESHUTDOWN {
                endNow(.closed, reset: false)
                throw refusal(operation)
            }
            if result != 0 { throw systemError(-result, operation) }
        }
        if transfer == .needsWritable && !base.watchesWritable {
            let result = base.watchWritable(on: loop)
            if result != 0 { throw systemError(-result, operation) }
            base.watchesWritable = true
        }
    }

    /// Turns a transfer that moved nothing into what its caller must do: wait, or throw.
    @inline(__always)
    package nonisolated func check(_ transfer: Transfer, _ operation: String) throws {
        if transfer == .needsReadable && base.isRegistered { return }
        try checkUnusual(transfer, operation)
    }

    private nonisolated func checkUnusual(_ transfer: Transfer, _ operation: String) throws {
        if transfer.wouldBlock { return try register(for: operation, transfer) }
        if transfer == .needsTurn { return }
        throw failure(transfer, operation)
    }

    private nonisolated func failure(_ transfer: Transfer, _ operation: String) -> any Error {
        if transfer == .refused { return refusal(operation) }
        if transfer == .noRoom {
            return error(.invalidArgument, operation, reason: "the buffer has no room")
        }
        let error =
            transfer.errorCode.map { systemError($0, operation) }
            ?? transport.failure ?? error(.closed, operation)
        hasReadEnd = true
        if let end = transport.end(afterFailure: error) { finish(with: end) }
        return error
    }

    nonisolated func systemError(_ code: Int32, _ operation: String) -> EndpointError {
        EndpointError(errno: code, operation: operation, to: subject)
    }

    /// Why the connection's own state refuses a call.
    package nonisolated func refusal(_ operation: String) -> EndpointError {
        let obstacles = operation == "read" ? readObstacles : writeObstacles
        if obstacles.contains(.closed) {
            if case .failed(let error) = end, error.code == .timedOut { return error }
            return error(.closed, operation, reason: "the connection is closed")
        }
        if obstacles.contains(.writeEnded) {
            if extras?.isBroken == true {
                return error(
                    .partialWrite,
                    operation,
                    reason: "an earlier write was cut off half-way"
                )
            }
            if let error = extras?.writeFailure { return error.of(operation: operation) }
            return error(.closed, operation, reason: "closeWrite was called")
        }
        if writeObstacles.contains(.upgrading) {
            return error(.busy, operation, reason: "this connection is being upgraded")
        }
        return error(.busy, operation, reason: "another task is already reading this connection")
    }
}
