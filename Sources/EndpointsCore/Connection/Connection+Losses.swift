// What becomes of bytes that are under way when a connection ends.
//
// A sender whose system has an acknowledgement believes that its bytes have arrived. So whoever ends a
// stream lets the peer take what the system holds, or says how much was lost: bytes that were acknowledged
// to the sender = bytes that were delivered + bytes that are reported as lost.

import EventLoop

extension Connection {
    /// How many bytes were lost when the connection ended; 0 as long as it is open.
    ///
    /// They were written and the peer has not acknowledged them. Of a relayed connection it is what was lost
    /// in both directions; see ``relay(between:and:halfClose:)``. Known for TCP and memory; what a UNIX socket
    /// or a pipe has taken counts as delivered.
    public var bytesLost: Int { bytesLostAtEnd }

    /// On the loop.
    nonisolated var bytesLostAtEnd: Int { extras?.bytesLost ?? 0 }

    /// Bytes that our side has acknowledged and nobody has read.
    var unreadCount: Int { base.unreadCount + (extras?.pushback.count ?? 0) }

    /// Bytes of `count` that were not written, of those since `start`.
    func shortfall(of count: Int, since start: Int) -> Int {
        Swift.max(count - (bytesWritten - start), 0)
    }

    /// As `shortfall`, and what was written and not acknowledged.
    func loss(of count: Int, since start: Int) -> Int {
        shortfall(of: count, since: start)
            + (phase == .closed ? bytesLost : base.unacknowledgedCount)
    }

    /// Remembers a loss, unless it has been remembered already.
    func noteLoss(_ count: Int) {
        if bytesLost == 0 { makeExtras().bytesLost = count }
    }

    /// Remembers and logs what is lost when the connection now ends out of order.
    nonisolated func noteLossAtEnd() {
        let count = base.unacknowledgedCount
        guard count > 0, bytesLostAtEnd == 0 else { return }
        makeExtras().bytesLost = count
        var metadata = logMetadata()
        metadata["bytes"] = "\(count)"
        origin.logger.info("bytes lost", metadata: metadata)
    }

    /// Something that changes whenever a byte moves.
    var movement: ClosingLimits.Progress {
        ClosingLimits.Progress(
            written: bytesWritten,
            held: base.unsentCount + base.unacknowledgedCount,
            dropped: bytesRead
        )
    }

    /// Waits until the peer has acknowledged all that was written, or takes nothing for 30 seconds.
    ///
    /// Cancellation: returns.
    func drainWritten() async {
        var limits = ClosingLimits(
            .flushing(limit: ClosingLimits.flushLimit),
            at: loop.now,
            movement
        )
        var pause = Duration.milliseconds(1)
        while phase == .open, !base.hasFailed, base.unacknowledgedCount > 0 {
            // No event tells that a queue is empty.
            guard limits.look(at: loop.now, movement) != nil,
                (try? await loop.sleep(for: pause)) != nil
            else { return }
            pause = Swift.min(pause * 2, .milliseconds(50))
        }
    }

    /// Has `tell` called on the loop at each of the connection's ends; at once if one has come.
    func watchEnd(_ tell: (@Sendable (isolated Connection) -> Void)?) {
        if tell == nil && extras == nil { return }
        makeExtras().onEnd = tell
        guard tell != nil else { return }
        // A socket that cannot be watched says so to its reader.
        if phase == .open { try? register(for: "relay") }
        if end != nil { tell?(self) }
    }
}
