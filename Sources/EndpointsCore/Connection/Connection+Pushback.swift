// Bytes that were read and not taken: they come before all that is still to be read.

import EventLoop

extension Connection {
    /// Whether bytes were read ahead that nobody has taken.
    package nonisolated var hasPushback: Bool { readObstacles.contains(.pushback) }

    /// Gives some of them to a read.
    nonisolated func takePushback(
        atMost limit: Int,
        _ here: OnLoop,
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

    /// Takes all of them, in a buffer that can take more.
    nonisolated func takeAllPushback(_ here: OnLoop) -> ReadBuffer {
        var buffer = ReadBuffer(capacity: .max)
        guard readObstacles.contains(.pushback), let extras else { return buffer }
        readObstacles.remove(.pushback)
        swap(&buffer, &extras.pushback)
        return buffer
    }

    /// Puts back what is left of what `takeAllPushback` gave, in the same breath.
    nonisolated func putBack(_ buffer: inout ReadBuffer, _ here: OnLoop) {
        if buffer.isEmpty { return }
        let extras = makeExtras()
        swap(&buffer, &extras.pushback)
        readObstacles.insert(.pushback)
    }

    /// Puts bytes before all that are still to be read.
    nonisolated func pushBack(_ bytes: UnsafeRawBufferPointer, _ here: OnLoop) {
        guard bytes.count > 0 else { return }
        var joined = ReadBuffer(capacity: .max)
        joined.append(bytes)
        var rest = takeAllPushback(here)
        joined.append(rest.readable)
        rest.removeAll()
        putBack(&joined, here)
    }
}
