// Reading: one task at a time. Each form is a lean call (Connection.swift): on the loop it tries, and
// if that would block waits at the gate; the gate's function makes the next attempt, for there one
// is on the loop for sure. Elsewhere, and for tasks that nobody watches, it takes the isolated way.
//
// Bytes that were read and not taken (a cancelled `read(exactly:)`, what `lines` read ahead) are
// pushed back, and the next read of any form gets them first.

import CEndpoints
import EventLoop

extension Connection {
    /// Reads what has come into `buffer`, behind what it holds; waits until there is something.
    ///
    /// The fast and safe form: an empty buffer borrows its memory from the loop only while it holds
    /// bytes.
    ///
    /// Cancellation: no byte is lost, and the connection stays usable.
    ///
    /// - Returns: How many bytes were appended; 0 at the peer's end.
    /// - Throws: `CancellationError`, or ``EndpointError``: `busy` if another task is reading,
    ///   `invalidArgument` if the buffer is full, `closed`, `connectionReset` and others.
    @inlinable @inline(__always) @discardableResult
    public nonisolated(nonsending) func read(into buffer: inout ReadBuffer) async throws -> Int {
        var count = try startRead(into: &buffer)
        while count == ReadStep.wait { count = try await readGate.read(self, into: &buffer) }
        return count >= 0 ? count : try await isolatedRead(into: &buffer)
    }

    @usableFromInline
    func isolatedRead(into buffer: inout ReadBuffer) async throws -> Int {
        while true {
            if isCallerCancelled { throw CancellationError() }
            let transfer = attemptRead(into: &buffer)
            if transfer.isMoved { return transfer.rawValue }
            try check(transfer, "read")
            beginReadWait(transfer)
            await waitAtReadGate()
        }
    }

    /// Reads into the caller's own memory; waits until there is something.
    ///
    /// Cancellation: no byte is lost, and the connection stays usable.
    ///
    /// - Returns: How many bytes were appended; 0 at the peer's end.
    /// - Throws: As ``read(into:)-(ReadBuffer)``; `invalidArgument` if the span has no room.
    @inlinable @inline(__always) @discardableResult
    public nonisolated(nonsending) func read(into span: inout OutputRawSpan) async throws -> Int {
        var count = try startRead(into: &span)
        while count == ReadStep.wait { count = try await readGate.read(self, into: &span) }
        return count >= 0 ? count : try await isolatedRead(into: &span)
    }

    @usableFromInline
    func isolatedRead(into span: inout OutputRawSpan) async throws -> Int {
        while true {
            if isCallerCancelled { throw CancellationError() }
            let transfer = attemptRead(into: &span)
            if transfer.isMoved { return transfer.rawValue }
            try check(transfer, "read")
            beginReadWait(transfer)
            await waitAtReadGate()
        }
    }

    // MARK: lean calls
    //
    // The two ends of a call that its caller inlines: what is left of it there is one hop, to the gate
    // and back, and no frame of memory.

    @usableFromInline
    nonisolated func startRead(into buffer: inout ReadBuffer) throws -> Int {
        guard loop.isCurrent else { return ReadStep.elsewhere }
        let caller = endpoints_current_task()
        if isCancelled(caller) { throw CancellationError() }
        return try settle(attemptRead(into: &buffer), of: caller)
    }

    @usableFromInline
    nonisolated func startRead(into span: inout OutputRawSpan) throws -> Int {
        guard loop.isCurrent else { return ReadStep.elsewhere }
        let caller = endpoints_current_task()
        if isCancelled(caller) { throw CancellationError() }
        return try settle(attemptRead(into: &span), of: caller)
    }

    /// On the loop, when the owner was woken.
    fileprivate nonisolated func resumeRead(into buffer: inout ReadBuffer) throws -> Int {
        endReadWait()
        let transfer = attemptRead(into: &buffer)
        return transfer.isMoved ? transfer.rawValue : try settleAgain(transfer)
    }

    fileprivate nonisolated func resumeRead(into span: inout OutputRawSpan) throws -> Int {
        endReadWait()
        let transfer = attemptRead(into: &span)
        return transfer.isMoved ? transfer.rawValue : try settleAgain(transfer)
    }

    private nonisolated func settleAgain(_ transfer: Transfer) throws -> Int {
        let caller = endpoints_current_task()
        if isCancelled(caller) { throw CancellationError() }
        return try settle(transfer, of: caller)
    }

    /// Answers how many bytes came, or how to wait for them; the gate is closed then.
    @inline(__always)
    private nonisolated func settle(
        _ transfer: Transfer,
        of caller: UnsafeMutableRawPointer?
    ) throws -> Int {
        if transfer.isMoved { return transfer.rawValue }
        try check(transfer, "read")
        guard isOwner(caller) else { return ReadStep.elsewhere }
        beginReadWait(transfer)
        return ReadStep.wait
    }

    // MARK: reads of several parts
    //
    // A task that does not prefer the loop is queued anew at each executor check (also at a return
    // that changes nothing), and others run meanwhile. So the claim, not the thread, keeps the parts
    // together. A task that serve started needs none: it goes on without a hop.

    /// Keeps other readers out until `endClaim`.
    ///
    /// On the loop.
    ///
    /// - Throws: ``EndpointError`` with code `busy` if somebody reads, `closed`.
    func beginClaim() throws {
        if readObstacles.isReading || readObstacles.contains(.closed) { throw refusal("read") }
        readObstacles.insert(.claimed)
    }

    func endClaim() { readObstacles.remove(.claimed) }

    /// Reads for whoever has the claim; as `read(into:)`.
    func claimedRead(into buffer: inout ReadBuffer) async throws -> Int {
        while true {
            if isCallerCancelled { throw CancellationError() }
            readObstacles.remove(.claimed)
            let transfer = attemptRead(into: &buffer)
            readObstacles.insert(.claimed)
            if transfer.isMoved { return transfer.rawValue }
            try check(transfer, "read")
            beginReadWait(transfer)
            await waitAtReadGate()
        }
    }

    // MARK: attempts, on the loop

    nonisolated func attemptRead(into buffer: inout ReadBuffer) -> Transfer {
        if !readObstacles.isEmpty || buffer.count == buffer.capacity {
            return attemptReadPastObstacle(into: &buffer)
        }
        if isPlain && !base.isReadable {
            buffer.giveBack(to: loop.hot)
            return .needsReadable
        }
        guard takeTurn() else { return .needsTurn }
        return noteRead(buffer.fill(from: loop.hot) { transport.read(into: $0) })
    }

    nonisolated func attemptRead(into span: inout OutputRawSpan) -> Transfer {
        if !readObstacles.isEmpty || span.freeCapacity == 0 {
            return attemptReadPastObstacle(into: &span)
        }
        guard takeTurn() else { return .needsTurn }
        let transfer = span.withUnsafeMutableBytes { buffer, count in
            let transfer = transport.read(
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
            )
            if transfer.rawValue > 0 { count += transfer.rawValue }
            return transfer
        }
        return noteRead(transfer)
    }

    /// Counts a call against the job's budget; false when others must run first.
    nonisolated func takeTurn() -> Bool { loop.hot.pointee.budget.take() }

    private nonisolated func noteRead(_ transfer: Transfer) -> Transfer {
        if transfer.rawValue > 0 {
            let hot = loop.hot
            lastActivity = hot.pointee.turnTime
            hot.pointee.budget.spend(bytes: transfer.rawValue)
            bytesRead &+= transfer.rawValue
            if !isPlain { noticeEnd() }
        } else if transfer.rawValue == 0 {
            hasReadEnd = true
            if end == nil, let end = transport.endOfStream { finish(with: end) }
        }
        return transfer
    }

    private nonisolated func attemptReadPastObstacle(into buffer: inout ReadBuffer) -> Transfer {
        if !readObstacles.isDisjoint(with: [.reading, .claimed, .closed]) { return .refused }
        if buffer.count == buffer.capacity { return .noRoom }
        return takePushback(atMost: buffer.capacity - buffer.count) { buffer.append($0) }
    }

    private nonisolated func attemptReadPastObstacle(into span: inout OutputRawSpan) -> Transfer {
        if !readObstacles.isDisjoint(with: [.reading, .claimed, .closed]) { return .refused }
        if span.freeCapacity == 0 { return .noRoom }
        return takePushback(atMost: span.freeCapacity) { bytes in
            span.withUnsafeMutableBytes { buffer, count in
                let room = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                room.copyMemory(from: bytes)
                count += bytes.count
            }
        }
    }

    /// Gives back bytes that were read ahead.
    private nonisolated func takePushback(
        atMost limit: Int,
        _ take: (UnsafeRawBufferPointer) -> Void
    ) -> Transfer {
        guard let extras else { return .refused }
        let count = Swift.min(limit, extras.pushback.count)
        take(UnsafeRawBufferPointer(rebasing: extras.pushback.readable[..<count]))
        extras.pushback.removeFirst(count)
        if extras.pushback.isEmpty {
            extras.pushback = ReadBuffer(capacity: .max)
            readObstacles.remove(.pushback)
        }
        return .moved(count)
    }

    /// Puts bytes before all that are still to be read.
    ///
    /// On the loop.
    nonisolated func pushBack(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        let extras = makeExtras()
        if extras.pushback.isEmpty {
            extras.pushback.append(bytes)
        } else {
            var joined = ReadBuffer(capacity: .max)
            joined.append(bytes)
            joined.append(extras.pushback.readable)
            extras.pushback = joined
        }
        readObstacles.insert(.pushback)
    }

    // MARK: waiting, on the loop

    /// In the same breath as the attempt that would block.
    package nonisolated func beginReadWait(_ transfer: Transfer) {
        readObstacles.insert(.reading)
        readerNeedsWritable = transfer == .needsWritable
        // An open gate sends the job to the end of the queue: a turn for the others.
        if transfer != .needsTurn { readGate.close(for: .read) }
    }

    nonisolated func endReadWait() { readObstacles.remove(.reading) }

    /// Waits; `beginReadWait` was called in the same breath as the attempt.
    ///
    /// Not in here: to enter an async method is an executor check, at which a task that does not
    /// prefer the loop is queued anew. An event or another reader could come before the gate is closed.
    package nonisolated(nonsending) func waitAtReadGate() async {
        await wait(at: readGate)
        endReadWait()
    }
}

/// What a lean read answers beside a count.
@usableFromInline
enum ReadStep {
    /// Nothing has come; the gate is closed.
    @usableFromInline static var wait: Int { @inlinable get { -1 } }
    /// The caller is not on the loop, or nobody watches its task.
    @usableFromInline static var elsewhere: Int { @inlinable get { -2 } }
}

extension Gate {
    /// Waits until the gate is open, then reads.
    @usableFromInline
    func read(_ connection: Connection, into buffer: inout ReadBuffer) throws -> Int {
        try connection.resumeRead(into: &buffer)
    }

    @usableFromInline
    func read(_ connection: Connection, into span: inout OutputRawSpan) throws -> Int {
        try connection.resumeRead(into: &span)
    }
}
