// How a connection ends: in order (`close`), at once (`abort`), by the peer, by a failure.
//
// `close` is in Connection+Closing.swift; what all ways have in common, and whom they notify, is here.

import EventLoop

extension Connection {
    /// Sends the end of our stream, and keeps reading.
    ///
    /// The peer reads end of file after all bytes written before: shutdown(2) with `SHUT_WR` on a
    /// socket, close_notify over TLS, where the connection below stays as it is. A second call does
    /// nothing.
    ///
    /// Cancellation: while an earlier write drains nothing is sent, and calling again is safe.
    ///
    /// The next read reports that the peer has reset the connection.
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
            // A sealed end cannot be taken back: what comes after it would be refused.
            isWhole: { isDone || transport.hasSentEnd },
            step: {
                if isDone { return nil }
                let transfer = transport.closeWrite()
                isDone = transfer.isMoved
                return transfer
            }
        )
        writeObstacles.insert(.writeEnded)
        if fullEnd != nil { tellOfEnd() }
    }

    /// Whether the end of our stream has been sent already.
    private nonisolated var isWriteFinished: Bool {
        phase == .open && writeObstacles.contains(.writeEnded) && extras?.isBroken != true
            && extras?.writeFailure == nil
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
    /// Behind `.peerClosed` something may follow: ``fullyEnded()`` waits for that.
    ///
    /// Cancellation: stops waiting; the connection is as it was.
    ///
    /// - Throws: `CancellationError`, and nothing else.
    public nonisolated(nonsending) func ended() async throws -> ConnectionEnd {
        try await isolatedEnded(fully: false)
    }

    /// Waits until the connection has ended in both directions, and tells how, without reading.
    ///
    /// A handler that has read the peer's end learns here that the peer has reset the connection since, or
    /// has vanished: then the answer is `.failed`. It is `.peerClosed` when both streams have ended in order
    /// (or the peer of a UNIX socket has closed it), and `.closed` when we have closed the connection. After
    /// any first end but `.peerClosed` it is the same as ``ended()``.
    ///
    /// A TCP peer that closes its socket looks like one that has only ended its stream, until we write.
    ///
    /// Cancellation: stops waiting; the connection is as it was.
    ///
    /// - Throws: `CancellationError`, and nothing else.
    public nonisolated(nonsending) func fullyEnded() async throws -> ConnectionEnd {
        try await isolatedEnded(fully: true)
    }

    private func isolatedEnded(fully: Bool) async throws -> ConnectionEnd {
        while true {
            if let successor = extras?.successor {
                return try await successor.isolatedEnded(fully: fully)
            }
            if let end = fully ? fullEnd : end { return end }
            if isCallerCancelled { throw CancellationError() }
            do { try register(for: "wait for the end of") } catch {
                let failure = error as? EndpointError ?? self.error(.closed, "wait")
                return (fully ? fullEnd : end) ?? .failed(failure)
            }
            let gate = Gate(loop, of: self)
            makeExtras().endWaiters.append(gate)
            noticeEnd()
            if (fully ? fullEnd : end) == nil {
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

    /// How the connection has ended in both directions, if it has.
    nonisolated var fullEnd: ConnectionEnd? {
        if let end = extras?.laterEnd { return end }
        guard case .peerClosed? = end else { return end }
        if phase == .closed { return .closed }
        return isWriteFinished ? .peerClosed : nil
    }

    /// Notices what readiness tells of an end: the first, or one behind the peer's.
    nonisolated func noteEnding(_ readiness: Readiness) {
        guard fullEnd == nil else { return }
        if end == nil || readiness.contains(.error), let end = transport.end(after: readiness) {
            finish(with: end)
        }
        guard readiness.contains(.hangUp), case .peerClosed? = end, fullEnd == nil else { return }
        makeExtras().laterEnd = .peerClosed
        tellOfEnd()
    }

    /// Remembers how the connection ended, and tells who waits for that.
    ///
    /// What came first stays. What looked like the peer's end may prove to be a cut when the bytes before it
    /// are read; and a failure behind it is remembered beside it.
    package nonisolated func finish(with end: ConnectionEnd) {
        let named: ConnectionEnd =
            if case .failed(let error) = end { .failed(error.naming(subject)) } else { end }
        switch (self.end, end) {
        case (nil, _), (.peerClosed?, .truncated): self.end = named
        case (.peerClosed?, .failed):
            if fullEnd != nil { return }
            makeExtras().laterEnd = named
        default: return
        }
        tellOfEnd()
    }

    private nonisolated func tellOfEnd() {
        guard let extras else { return }
        for gate in extras.endWaiters { wake(gate) }
        if let tell = extras.onEnd { loop.run { self.assumeIsolated { tell($0) } } }
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
        if case .failed = self.end { noteLossAtEnd() } else if reset { noteLossAtEnd() }
        base.close(on: loop, reset: reset)
        observeClose()
        tellOfEnd()
        wakeAll()
    }
}
