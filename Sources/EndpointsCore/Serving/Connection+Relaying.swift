// One direction of a relay, and what it costs while the receiver takes nothing: what has been read and
// cannot be written. So no more is read than there is room for, as far as that is known; and what waits
// lies in memory of its own size, not in a block of the loop's.
//
// Little is read at first, and much only where much comes. Then the send buffer is asked how much it
// takes: one system call for each large read.

import EventLoop

extension Connection {
    /// What is read while the other side may have no room for more: a message of 16 KiB does not look
    /// like the beginning of much.
    private static let cautiousRead = 17_408

    /// Copies our bytes to `other`, and our end.
    ///
    /// Cancellation: what was read and not written is lost.
    package func pump(to other: Connection) async throws -> Int {
        var count = 0
        var last = 0
        while true {
            var buffer = ReadBuffer(capacity: other.relayedRead(after: last))
            last = try await read(into: &buffer)
            if last == 0 { break }
            try await other.write(draining: &buffer)
            count += last
        }
        try await other.closeWrite()
        return count
    }

    /// How much to read for us at once, after a read that brought `last` bytes.
    nonisolated func relayedRead(after last: Int) -> Int {
        let isMuch = last >= Self.cautiousRead && hasRoom(for: BlockPool.blockSize)
        return isMuch ? BlockPool.blockSize : Self.cautiousRead
    }

    /// Whether a write of `count` bytes will hardly have to wait, as far as can be seen from here; the
    /// kernel's own overhead is added.
    private nonisolated func hasRoom(for count: Int) -> Bool {
        let room = loop.ifCurrent { _ in base.writeRoom } ?? nil
        return room.map { $0 > count + count / 4 } ?? true
    }

    /// Writes all bytes that `buffer` holds and removes them; while they wait they hold no more memory
    /// than they need.
    ///
    /// Else as ``write(_:)-(ReadBuffer)``.
    nonisolated(nonsending) func write(draining buffer: inout ReadBuffer) async throws {
        // At once, though the job's budget may be spent: the next read waits instead, and holds nothing.
        let done = try startWrite(buffer.bytes, isDue: true)
        if done == WriteStep.whole { return buffer.removeAll() }
        buffer.removeFirst(done)
        try await writeRest(draining: &buffer, from: done)
    }

    private func writeRest(draining buffer: inout ReadBuffer, from start: Int) async throws {
        if start < 0 { try await takeWriteTurn() }
        var hasBegun = start > 0
        defer { passWriteTurn() }
        try await keepWriting(
            hasBegun: { hasBegun },
            isWhole: { buffer.isEmpty },
            step: {
                if buffer.isEmpty { return nil }
                let transfer = transport.write(buffer.readable)
                if transfer.rawValue > 0 {
                    hasBegun = true
                    buffer.removeFirst(transfer.rawValue)
                } else if transfer.wouldBlock {
                    buffer.compact()
                }
                return transfer
            }
        )
    }
}
