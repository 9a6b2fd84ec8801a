// The times that a served connection has. Idleness is its own (`idleTimeout`), whose timer compares
// when it fires and is not touched by a message; a lifetime is one more timer, for those who ask.

import EventLoop

extension Connection {
    /// Sets the times of a connection that is about to be served.
    nonisolated func limitTime(to limits: ServeLimits) {
        if let idleTime = limits.idleTime { idleTimeout = idleTime }
        guard let totalTime = limits.totalTime else { return }
        loop.run { self.beginLife(of: totalTime) }
    }

    /// On the loop.
    private nonisolated func beginLife(of totalTime: Duration) {
        guard latest.phase == .open else { return }
        let deadline = loop.now &+ totalTime.nanosecondsClamped
        makeExtras().lifeTimer = loop.schedule(at: deadline) { [weak self] in
            // A loop that ends fires its timers early, and closes the connection itself.
            guard let self, !self.loop.isStopping else { return }
            let current = self.latest
            let reason = "open for \(totalTime.inSeconds)"
            current.endNow(.failed(current.error(.timedOut, "serve", reason: reason)), reset: true)
        }
    }

    /// The handler has ended, and the connection is closed.
    func endLife() {
        guard let timer = extras?.lifeTimer else { return }
        loop.cancel(timer)
        extras?.lifeTimer = nil
    }
}
