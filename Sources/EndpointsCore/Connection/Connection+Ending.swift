// How a connection ends: in order (`close`), at once (`abort`), by the peer, by a failure.
//
// An orderly close lets the writes that were called before it finish, says the transport's goodbye,
// and closes the descriptor. It lingers only where that would destroy what we sent: closing a TCP
// socket with unread bytes sends a reset (RFC 9293, section 3.10.4; RFC 1122, section 4.2.2.13), so then
// our direction is shut down and what comes is dropped for a bounded time.
//
// Inside, closing does not look at cancellation: who cancels `close` aborts the connection, which
// wakes it like everybody else.

import EventLoop

extension Connection {
    package static let lingerLimit: UInt64 = 1_000_000_000
    package static let mostDiscarded = 1 << 20

    /// Sends the end of our stream, and keeps reading.
    ///
    /// The peer reads end of file after all bytes written before: shutdown(2) with `SHUT_WR` on a
    /// socket, close_notify over TLS, where the connection below stays as it is. A second call does
    /// nothing.
    ///
    /// Cancellation: while an earlier write drains nothing is sent, and calling again is safe.
    ///
    /// That the peer has reset the connection is told by the next read.
    ///
    /// - Throws: `CancellationError`, or ``EndpointError``: `partialWrite` after a write that was cut
    ///   off, the error of one that failed, `closed` after ``close()``.
    public nonisolated(nonsending) func closeWrite() async throws {
        try await isolatedCloseWrite()
    }

    private func isolatedCloseWrite() async throws {
        if isWriteFinished { return }
        do { try await takeWriteTurn() } catch {
            if isWriteFinished && !(error is CancellationError) { return }
            throw error
        }
        defer { passWriteTurn() }
        var isDone = false
        try await keepWriting(
            hasBegun: { false },
            isWhole: { isDone },
            step: {
                if isDone { return nil }
                let transfer = transport.closeWrite()
                isDone = transfer.isMoved
                return transfer
            }
        )
        writeObstacles.insert(.writeEnded)
    }

    /// Whether the end of our stream has been sent already.
    private var isWriteFinished: Bool {
        phase == .open && writeObstacles.contains(.writeEnded) && extras?.isBroken != true
            && extras?.writeFailure == nil
    }

    /// Finishes the writes that were called before, says goodbye, and closes.
    ///
    /// Never throws, and may be called any number of times; each returns when the descriptor is
    /// closed. After a write that was cut off the peer gets a reset, since an orderly end would
    /// pretend that the stream was whole. Where closing at once might destroy what the peer has not
    /// read yet (its own bytes are unread, or over TLS it has not ended) the peer's end is waited for,
    /// a second at most.
    ///
    /// Cancellation: aborts, and returns at once.
    public nonisolated(nonsending) func close() async {
        if loop.isCurrent && closeAtOnce() { return }
        await isolatedClose()
    }

    private func isolatedClose() async {
        if closeAtOnce() { return }
        if let successor = extras?.successor { return await successor.isolatedClose() }
        await withTaskCancellationHandler {
            await self.closeInOrder()
        } onCancel: {
            loop.run { self.endNow(.closed, reset: true) }
        }
    }

    /// Closes even if the task is cancelled, but takes no longer than a second from then.
    func closeShielded() async {
        if closeAtOnce() { return }
        if let successor = extras?.successor { return await successor.closeShielded() }
        await withTaskCancellationHandler {
            await self.closeInOrder()
        } onCancel: {
            loop.run { self.abort(after: Self.lingerLimit) }
        }
    }

    /// Resets the connection, at once: what was not sent is dropped, and the peer's next call fails.
    ///
    /// Whoever waits on the connection gets `closed`. RFC 9293, section 3.10.5. A UNIX socket knows no
    /// reset: over that the peer reads an end.
    public nonisolated func abort() {
        loop.run { self.latest.endNow(.closed, reset: true) }
    }

    /// Waits until the connection has ended, and tells how; notices a dead peer without reading.
    ///
    /// What came first is remembered, and any number of tasks may wait. `.peerClosed` means that the
    /// peer has ended its stream: bytes may be unread, and writing may still work. Over TLS an end that
    /// the connection below does not share is seen when nothing unread stands before it.
    ///
    /// Cancellation: stops waiting; the connection is as it was.
    ///
    /// - Throws: `CancellationError`, and nothing else.
    public nonisolated(nonsending) func ended() async throws -> ConnectionEnd {
        try await isolatedEnded()
    }

    private func isolatedEnded() async throws -> ConnectionEnd {
        while true {
            if let successor = extras?.successor { return try await successor.isolatedEnded() }
            if let end { return end }
            if isCallerCancelled { throw CancellationError() }
            do { try register(for: "wait for the end of") } catch {
                return .failed(error as? EndpointError ?? self.error(.closed, "wait"))
            }
            let gate = Gate(loop)
            makeExtras().endWaiters.append(gate)
            noticeEnd()
            if end == nil {
                gate.close(for: .ended)
                await wait(at: gate)
            }
            extras?.endWaiters.removeAll { $0 === gate }
        }
    }

    /// Notices an end that only the transport can tell, such as TLS's close_notify, for those who wait
    /// for it while nobody reads.
    nonisolated func noticeEnd() {
        guard let extras, !extras.endWaiters.isEmpty else { return }
        guard !isPlain, end == nil, phase == .open, !readObstacles.isReading else { return }
        if let end = transport.lookAhead() { return finish(with: end) }
        guard transport.needsTurn else { return }
        _ = loop.schedule(at: loop.now) { [weak self] in self?.noticeEnd() }
    }

    // MARK: the way to the end, on the loop

    /// Closes without a wait where nothing asks for one.
    private nonisolated func closeAtOnce() -> Bool {
        switch phase {
        case .closed: return extras?.successor?.closeAtOnce() ?? true
        case .closing: return false
        case .open: break
        }
        guard !writeObstacles.contains(.writing) else { return false }
        let isBroken = extras?.isBroken == true
        if !isBroken {
            if mustLinger { return false }
            if !isPlain, extras?.writeFailure == nil, transport.sayGoodbye().wouldBlock {
                return false
            }
        }
        endNow(.closed, reset: isBroken)
        return true
    }

    private func closeInOrder() async {
        guard phase == .open else { return await waitUntilClosed() }
        phase = .closing
        readObstacles.insert(.closed)
        writeObstacles.insert(.closed)
        finish(with: .closed)
        wake(readGate)
        // In line at once: the writer might finish while a method is being entered.
        if writeObstacles.contains(.writing) { await waitForWrites(as: getInLine()) }
        let isBroken = extras?.isBroken == true
        if !isBroken && phase == .closing {
            await sayGoodbye()
            await linger()
        }
        endNow(.closed, reset: isBroken)
    }

    private func waitUntilClosed() async {
        while phase != .closed {
            let gate = Gate(loop)
            makeExtras().closeWaiters.append(gate)
            gate.close(for: .close)
            await gate.pass()
        }
    }

    private func waitForWrites(as closer: WriterInLine) async {
        while !closer.hasTurn && phase == .closing {
            closer.gate.close(for: .writeTurn)
            await closer.gate.pass()
        }
    }

    /// Sends the ends of all layers, such as TLS's close_notify.
    private func sayGoodbye() async {
        guard !isPlain, extras?.writeFailure == nil else { return }
        while phase == .closing {
            let transfer = transport.sayGoodbye()
            guard transfer.wouldBlock, (try? register(for: "close", transfer)) != nil else {
                return
            }
            let extras = makeExtras()
            let gate = extras.writeGate ?? Gate(loop)
            extras.writeGate = gate
            writerNeedsReadable = transfer == .needsReadable
            gate.close(for: .write)
            await gate.pass()
        }
    }

    /// Whether closing now could destroy what we sent.
    private nonisolated var mustLinger: Bool {
        !hasReadEnd && (transport.lingers || base.unreadCount > 0)
    }

    /// Drops what the peer still sends, up to its end, a mebibyte, or a second.
    private func linger() async {
        guard phase == .closing, mustLinger else { return }
        base.shutDownWrite()
        abort(after: Self.lingerLimit, reset: false)
        var left = Self.mostDiscarded
        readerNeedsWritable = false
        while phase == .closing && left > 0 {
            let transfer = base.discard()
            if transfer.rawValue > 0 {
                left -= transfer.rawValue
                continue
            }
            guard transfer.wouldBlock, (try? register(for: "close", transfer)) != nil else {
                return
            }
            readGate.close(for: .read)
            await readGate.pass()
        }
    }

    /// Ends the connection after some time, unless it has ended by then.
    private nonisolated func abort(after nanoseconds: UInt64, reset: Bool = true) {
        guard phase != .closed else { return }
        let extras = makeExtras()
        if let timer = extras.timer { loop.cancel(timer) }
        extras.timer = loop.schedule(at: loop.now &+ nanoseconds) { [weak self] in
            self?.endNow(.closed, reset: reset)
        }
    }

    /// Remembers how the connection ended, if nothing came before, and tells who waits for that.
    ///
    /// What looked like the peer's end may prove to be a cut when the bytes before it are read.
    package nonisolated func finish(with end: ConnectionEnd) {
        switch (self.end, end) {
        case (nil, _), (.peerClosed?, .truncated): break
        default: return
        }
        self.end = if case .failed(let error) = end { .failed(error.naming(subject)) } else { end }
        guard let extras else { return }
        for gate in extras.endWaiters { wake(gate) }
    }

    /// The end of every way: closes the descriptor and wakes whoever waits.
    package nonisolated func endNow(_ end: ConnectionEnd, reset: Bool) {
        guard phase != .closed else { return }
        phase = .closed
        finish(with: end)
        readObstacles.insert(.closed)
        writeObstacles.insert(.closed)
        if let timer = extras?.timer { loop.cancel(timer) }
        extras?.timer = nil
        base.close(on: loop, reset: reset)
        observeClose()
        wakeAll()
    }
}
