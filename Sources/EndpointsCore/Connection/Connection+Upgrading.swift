// Putting another transport under a live connection: TLS over it, a header taken off it.
//
// Facts of a connection never change, so the upgrade makes a new one, on the same loop, and uses the
// old one up: calls on it say `closed`, and what ends it ends its successor. Whoever holds the old one
// (`serve` does, to close it behind its handler) thereby holds the connection as it is now.

import EventLoop

extension Connection {
    /// Refuses every other call on this connection, until `endUpgrade` or `become`.
    ///
    /// Claims before it touches: a read or write that came later would find its bytes on the wrong side
    /// of the upgrade, such as in the clear.
    ///
    /// - Throws: ``EndpointError``: `busy` while a task reads or writes, or another upgrade is under way;
    ///   `closed`, also after `closeWrite`.
    package func beginUpgrade() throws {
        if phase != .open { throw refusal("upgrade") }
        if readObstacles.isReading || writeObstacles.contains(.writing) {
            throw error(.busy, "upgrade", reason: "another task is using this connection")
        }
        if writeObstacles.contains(.writeEnded) { throw refusal("write") }
        readObstacles.insert(.claimed)
        writeObstacles.formUnion([.writing, .upgrading])
    }

    /// The upgrade will not happen.
    package func endUpgrade() {
        writeObstacles.remove(.upgrading)
        endClaim(OnLoop(self))
        passWriteTurn()
    }

    /// Makes a connection over what `wrap` makes of the transport; this one is used up.
    ///
    /// - Parameters:
    ///   - facts: The facts of the new connection; defaults to those of this one.
    ///   - wrap: Makes the new transport.
    /// - Returns: The new connection.
    /// - Throws: ``EndpointError``: `busy` while a task reads or writes, `closed`; what `wrap` throws,
    ///   and then this connection is as it was.
    package func replaceTransport(
        facts: ConnectionFacts? = nil,
        _ wrap: (any Transport) throws -> any Transport
    ) throws -> Connection {
        try beginUpgrade()
        do { return try become(try wrap(transport), facts: facts ?? self.facts) } catch {
            endUpgrade()
            throw error
        }
    }

    /// Ends the upgrade that was begun: this connection is used up, and the new one takes its place.
    ///
    /// - Throws: ``EndpointError`` with code `closed` if this one was closed meanwhile.
    package func become(_ transport: any Transport, facts: ConnectionFacts) throws -> Connection {
        if phase != .open { throw refusal("upgrade") }
        // Safe: it stays on the loop, with a connection of the same loop.
        nonisolated(unsafe) let transport = transport
        let successor = Connection(
            transport,
            facts: facts,
            origin: origin,
            on: loop,
            succeeding: self
        )
        successor.takeOver(from: self, OnLoop(self))
        let extras = makeExtras()
        if let timer = extras.timer { loop.cancel(timer) }
        extras.timer = nil
        extras.successor = successor
        phase = .closed
        readObstacles.insert(.closed)
        writeObstacles.insert(.closed)
        wakeAll()
        return successor
    }

    /// Is told of the transport's readiness from now on, and inherits who watches, the limits, and what
    /// was read ahead.
    private nonisolated func takeOver(from old: Connection, _ here: OnLoop) {
        if base.isRegistered { base.reregister(on: loop, self) }
        owner = old.owner
        isOwnerCancelled = old.isOwnerCancelled
        idleTimeout = old.idleTimeout
        var unread = old.takeAllPushback(here)
        putBack(&unread, here)
        if let acceptTime = old.extras?.acceptTime { makeExtras().acceptTime = acceptTime }
    }

    /// The connection that this one has become.
    nonisolated var latest: Connection {
        var latest = self
        while let successor = latest.extras?.successor { latest = successor }
        return latest
    }
}
