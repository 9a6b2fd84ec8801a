// Reading: one task at a time. Each form is a lean call (Connection.swift): on the loop it tries, and
// if that would block it waits at the gate, whose function makes the next attempt, since there one is
// on the loop for sure. All further attempts are made by an isolated method. The caller itself makes
// none after a wait: it may be on another thread then.
//
// The reader is the reader until it returns. While it waits `.reading` says so, and on its way from
// one place to the next `.claimed` does: a task that does not prefer the loop is queued anew at each
// executor check (also at a return that changes nothing), and others run meanwhile.
//
// Bytes that were read and not taken (a cancelled `read(exactly:)`, what `lines` read ahead) are
// pushed back, and the next read of any form gets them first (Connection+Pushback).

import CEndpoints
import EventLoop

extension Connection: LoopActor {}

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
        if count == ReadStep.wait { count = try await readGate.read(self, into: &buffer) }
        if count >= 0 { return count }
        return try await isolatedRead(into: &buffer, hasClaim: count == ReadStep.claimed)
    }

    @usableFromInline
    func isolatedRead(into buffer: inout ReadBuffer, hasClaim: Bool) async throws -> Int {
        if !hasClaim { try beginClaim(OnLoop(self)) }
        defer { endClaim(OnLoop(self)) }
        while true {
            if isCallerCancelled { throw CancellationError() }
            let transfer = attemptClaimedRead(into: &buffer, OnLoop(self))
            if transfer.isMoved { return transfer.rawValue }
            try check(transfer, "read")
            beginReadWait(transfer, OnLoop(self))
            await wait(at: readGate)
            endReadWait(OnLoop(self))
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
        if count == ReadStep.wait { count = try await readGate.read(self, into: &span) }
        if count >= 0 { return count }
        return try await isolatedRead(into: &span, hasClaim: count == ReadStep.claimed)
    }

    @usableFromInline
    func isolatedRead(into span: inout OutputRawSpan, hasClaim: Bool) async throws -> Int {
        if !hasClaim { try beginClaim(OnLoop(self)) }
        defer { endClaim(OnLoop(self)) }
        while true {
            if isCallerCancelled { throw CancellationError() }
            readObstacles.remove(.claimed)
            let transfer = attemptRead(into: &span, OnLoop(self))
            readObstacles.insert(.claimed)
            if transfer.isMoved { return transfer.rawValue }
            try check(transfer, "read")
            beginReadWait(transfer, OnLoop(self))
            await wait(at: readGate)
            endReadWait(OnLoop(self))
        }
    }

    // MARK: lean calls
    //
    // The two ends of a call that its caller inlines: what is left of it there is one hop, to the gate
    // and back, and no frame of memory.

    @usableFromInline
    nonisolated func startRead(into buffer: inout ReadBuffer) throws -> Int {
        try loop.ifCurrent { here throws in
            let caller = endpoints_current_task()
            if isCancelled(caller) { throw CancellationError() }
            return try settle(attemptRead(into: &buffer, here), of: caller, here)
        } ?? ReadStep.elsewhere
    }

    @usableFromInline
    nonisolated func startRead(into span: inout OutputRawSpan) throws -> Int {
        try loop.ifCurrent { here throws in
            let caller = endpoints_current_task()
            if isCancelled(caller) { throw CancellationError() }
            return try settle(attemptRead(into: &span, here), of: caller, here)
        } ?? ReadStep.elsewhere
    }

    /// Answers how many bytes came, or how to wait for them; the gate is closed then.
    @inline(__always)
    private nonisolated func settle(
        _ transfer: Transfer,
        of caller: UnsafeMutableRawPointer?,
        _ here: OnLoop
    ) throws -> Int {
        if transfer.isMoved { return transfer.rawValue }
        try check(transfer, "read")
        guard isOwner(caller) else { return ReadStep.elsewhere }
        beginReadWait(transfer, here)
        return ReadStep.wait
    }

    /// When the owner was woken; what does not come now is left to the isolated method.
    fileprivate nonisolated func resumeRead(
        into buffer: inout ReadBuffer,
        _ here: OnLoop
    ) throws -> Int {
        endReadWait(here)
        return try settleAgain(attemptRead(into: &buffer, here), here)
    }

    fileprivate nonisolated func resumeRead(
        into span: inout OutputRawSpan,
        _ here: OnLoop
    ) throws -> Int {
        endReadWait(here)
        return try settleAgain(attemptRead(into: &span, here), here)
    }

    @inline(__always)
    private nonisolated func settleAgain(_ transfer: Transfer, _ here: OnLoop) throws -> Int {
        if transfer.isMoved { return transfer.rawValue }
        if isCallerCancelled { throw CancellationError() }
        try check(transfer, "read")
        readObstacles.insert(.claimed)
        return ReadStep.claimed
    }

    // MARK: the claim

    /// Keeps other readers out until `endClaim`.
    ///
    /// - Throws: `CancellationError`, or ``EndpointError`` with code `busy` if somebody reads, `closed`.
    nonisolated func beginClaim(_ here: OnLoop) throws {
        if isCallerCancelled { throw CancellationError() }
        if readObstacles.isReading || readObstacles.contains(.closed) { throw refusal("read") }
        readObstacles.insert(.claimed)
    }

    nonisolated func endClaim(_ here: OnLoop) {
        readObstacles.remove(.claimed)
        // A reader that was cancelled has not looked at what came.
        if !isPlain { noticeEnd() }
    }

    /// An attempt of whoever has the claim.
    nonisolated func attemptClaimedRead(
        into buffer: inout ReadBuffer,
        _ here: OnLoop
    ) -> Transfer {
        readObstacles.remove(.claimed)
        defer { readObstacles.insert(.claimed) }
        return attemptRead(into: &buffer, here)
    }

    // MARK: attempts

    private nonisolated func attemptRead(
        into buffer: inout ReadBuffer,
        _ here: OnLoop
    ) -> Transfer {
        if !readObstacles.isEmpty || buffer.count == buffer.capacity {
            return attemptReadPastObstacle(into: &buffer, here)
        }
        if isPlain && !base.isReadable {
            buffer.giveBack(to: loop.hot)
            return .needsReadable
        }
        guard takeTurn(here) else { return .needsTurn }
        return noteRead(buffer.fill(from: loop.hot) { transport.read(into: $0) })
    }

    private nonisolated func attemptRead(
        into span: inout OutputRawSpan,
        _ here: OnLoop
    ) -> Transfer {
        if !readObstacles.isEmpty || span.freeCapacity == 0 {
            return attemptReadPastObstacle(into: &span, here)
        }
        guard takeTurn(here) else { return .needsTurn }
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
    nonisolated func takeTurn(_ here: OnLoop) -> Bool { loop.hot.pointee.budget.take() }

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

    private nonisolated func attemptReadPastObstacle(
        into buffer: inout ReadBuffer,
        _ here: OnLoop
    ) -> Transfer {
        if !readObstacles.isDisjoint(with: [.reading, .claimed, .closed]) { return .refused }
        if buffer.count == buffer.capacity { return .noRoom }
        return takePushback(atMost: buffer.capacity - buffer.count, here) { buffer.append($0) }
    }

    private nonisolated func attemptReadPastObstacle(
        into span: inout OutputRawSpan,
        _ here: OnLoop
    ) -> Transfer {
        if !readObstacles.isDisjoint(with: [.reading, .claimed, .closed]) { return .refused }
        if span.freeCapacity == 0 { return .noRoom }
        return takePushback(atMost: span.freeCapacity, here) { bytes in
            span.withUnsafeMutableBytes { buffer, count in
                let room = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                room.copyMemory(from: bytes)
                count += bytes.count
            }
        }
    }

    // MARK: waiting

    /// In the same breath as the attempt that would block.
    nonisolated func beginReadWait(_ transfer: Transfer, _ here: OnLoop) {
        readObstacles.insert(.reading)
        readerNeedsWritable = transfer == .needsWritable
        // An open gate sends the job to the end of the queue: a turn for the others.
        if transfer != .needsTurn { readGate.close(for: .read) }
    }

    nonisolated func endReadWait(_ here: OnLoop) { readObstacles.remove(.reading) }

    /// As the other form, for a layer that reads the transport itself.
    package func beginReadWait(_ transfer: Transfer) { beginReadWait(transfer, OnLoop(self)) }

    /// Waits; `beginReadWait` was called in the same breath as the attempt.
    ///
    /// Not in here: to enter an async method is an executor check, at which a task that does not
    /// prefer the loop is queued anew. An event could come before the gate is closed.
    package func waitAtReadGate() async {
        await wait(at: readGate)
        endReadWait(OnLoop(self))
    }
}

/// What a lean read answers beside a count.
@usableFromInline
enum ReadStep {
    /// Nothing has come; the gate is closed.
    @usableFromInline static var wait: Int { @inlinable get { -1 } }
    /// The caller is not on the loop, or nobody watches its task.
    @usableFromInline static var elsewhere: Int { @inlinable get { -2 } }
    /// Nothing has come; the caller has the claim, and must call the isolated method.
    @usableFromInline static var claimed: Int { @inlinable get { -3 } }
}

extension Gate {
    /// Waits until the gate is open, then reads.
    @usableFromInline
    func read(_ connection: Connection, into buffer: inout ReadBuffer) throws -> Int {
        try connection.resumeRead(into: &buffer, OnLoop(self))
    }

    @usableFromInline
    func read(_ connection: Connection, into span: inout OutputRawSpan) throws -> Int {
        try connection.resumeRead(into: &span, OnLoop(self))
    }
}
