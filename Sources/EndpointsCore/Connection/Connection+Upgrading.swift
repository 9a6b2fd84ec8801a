// Putting another transport under a live connection: TLS over it, a header taken off it.
//
// Facts of a connection never change, so the upgrade makes a new one, on the same loop, and uses the
// old one up: calls on it say `closed`, and what ends it ends its successor. Whoever holds the old one
// (`serve` does, to close it behind its handler) thereby holds the connection as it is now.

import EventLoop

extension Connection {
    /// Whether bytes were read ahead that nobody has taken.
    package nonisolated var hasPushback: Bool { readObstacles.contains(.pushback) }

    /// Makes a connection over what `wrap` makes of the transport; this one is used up.
    ///
    /// On the loop.
    ///
    /// - Parameters:
    ///   - facts: The facts of the new connection; the same unless told.
    ///   - wrap: Makes the new transport.
    /// - Returns: The new connection.
    /// - Throws: ``EndpointError``: `busy` while a task reads or writes, `closed`; what `wrap` throws,
    ///   and then this connection is as it was.
    package nonisolated func replaceTransport(
        facts: ConnectionFacts? = nil,
        _ wrap: (any Transport) throws -> any Transport
    ) throws -> Connection {
        if phase != .open { throw refusal("upgrade") }
        if readObstacles.isReading || writeObstacles.contains(.writing) {
            throw error(.busy, "upgrade", reason: "another task is using this connection")
        }
        // Safe: it stays on the loop, with a connection of the same loop.
        nonisolated(unsafe) let wrapped = try wrap(transport)
        let successor = Connection(
            wrapped,
            facts: facts ?? self.facts,
            origin: origin,
            on: loop,
            succeeding: self
        )
        successor.takeOver(from: self)
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

    /// Is told of the transport's readiness from now on, and inherits who watches and the limits.
    private nonisolated func takeOver(from old: Connection) {
        if base.isRegistered { base.reregister(on: loop, self) }
        owner = old.owner
        isOwnerCancelled = old.isOwnerCancelled
        idleTimeout = old.idleTimeout
        if let acceptTime = old.extras?.acceptTime { makeExtras().acceptTime = acceptTime }
    }

    /// The connection that this one has become.
    nonisolated var latest: Connection {
        var latest = self
        while let successor = latest.extras?.successor { latest = successor }
        return latest
    }
}
