// An orderly close: the writes that were called before it finish, the transport says goodbye, and the
// descriptor is closed.
//
// It lingers only where closing would destroy what we sent: closing a TCP socket with unread bytes
// sends a reset (RFC 9293, section 3.10.4; RFC 1122, section 4.2.2.13). Then our direction is shut down,
// and what comes is dropped, a turn of the loop's at a time. ClosingLimits bounds all of it.
//
// Inside, closing does not look at cancellation: cancelling `close` aborts the connection, which
// wakes it like everybody else.

import EventLoop

extension Connection {
    /// How long a close may take once its caller is cancelled, where cancellation does not abort it.
    private static let cancelledLimit: UInt64 = 1_000_000_000

    /// Finishes the writes that were called before, says goodbye, and closes.
    ///
    /// Never throws, and may be called any number of times; each returns when the descriptor is
    /// closed. After a write that was cut off the peer gets a reset, since an orderly end would
    /// pretend that the stream was whole.
    ///
    /// Where closing at once might destroy what the peer has not read yet (its own bytes are unread, or
    /// over TLS it has not ended), `close` drops what the peer sends until the peer's end.
    ///
    /// A peer that is slow but alive gets everything; each limit starts anew when it takes some bytes. A
    /// close ends with a reset when the peer takes nothing for 30 seconds (or ``idleTimeout``, if that is
    /// shorter) while bytes are to be written. While `close` waits for the peer's end, it closes after 5
    /// seconds in which nothing moves, and after 30 seconds in which the peer only sends.
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
            loop.run { self.hastenClose() }
        }
    }

    // MARK: steps, on the loop

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
        let idleLimit = idleLimit.load(ordering: .relaxed)
        let flushLimit = ClosingLimits.flushLimit
        limitClose(.flushing(limit: idleLimit > 0 ? Swift.min(idleLimit, flushLimit) : flushLimit))
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
            let gate = Gate(loop, of: self)
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
            let gate = extras.writeGate ?? Gate(loop, of: self)
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

    /// Drops what the peer still sends, up to its end.
    private func linger() async {
        guard phase == .closing, mustLinger else { return }
        base.shutDownWrite()
        limitClose(.lingering)
        readerNeedsWritable = false
        while phase == .closing {
            let transfer = discard()
            if transfer.rawValue > 0 {
                makeExtras().dropped += transfer.rawValue
                continue
            }
            if transfer.wouldBlock {
                guard (try? register(for: "close", transfer)) != nil else { return }
                readGate.close(for: .read)
            } else if transfer != .needsTurn {
                return
            }
            // Without a turn the gate is open, and passing it lets the others run.
            await readGate.pass()
        }
    }

    /// Drops some of what has come, unless others must run first.
    package nonisolated func discard() -> Transfer {
        guard loop.hot.pointee.budget.take() else { return .needsTurn }
        let transfer = base.discard()
        if transfer.rawValue > 0 { loop.hot.pointee.budget.spend(bytes: transfer.rawValue) }
        return transfer
    }

    // MARK: limits

    private nonisolated var closingProgress: ClosingLimits.Progress {
        ClosingLimits.Progress(
            written: bytesWritten,
            held: base.unsentCount + base.unacknowledgedCount,
            dropped: extras?.dropped ?? 0
        )
    }

    private nonisolated func limitClose(_ stage: ClosingLimits.Stage) {
        makeExtras().closing = ClosingLimits(stage, at: loop.now, closingProgress)
        watchClose()
    }

    /// The caller of the close was cancelled.
    private nonisolated func hastenClose() {
        guard phase != .closed else { return }
        makeExtras().closeDeadline = loop.now &+ Self.cancelledLimit
        if phase == .closing { watchClose() }
    }

    /// Looks at what has moved, again and again, and ends a close whose time is up.
    private nonisolated func watchClose() {
        guard phase == .closing, let extras, let limits = extras.closing else { return }
        if let timer = extras.timer { loop.cancel(timer) }
        extras.timer = nil
        let next = extras.closing?.look(at: loop.now, closingProgress)
        guard let next, loop.now < extras.closeDeadline, !loop.isStopping else {
            // A stream that is not whole must not look so; behind a whole one the kernel goes on sending.
            return endNow(.closed, reset: limits.stage != .lingering)
        }
        let deadline = Swift.min(next, extras.closeDeadline)
        extras.timer = loop.schedule(at: deadline) { [weak self] in self?.watchClose() }
    }
}
