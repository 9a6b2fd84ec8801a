// Standard input on its way to the peer, watched from beside: has it more to give, or does it only
// wait? What is there must be sent though the peer's own stream has ended; what may never come, as
// from a terminal, must not keep the program alive.

import Endpoints
import Synchronization

/// Sends what standard input gives, then its end.
final class InputSender: Sendable {
    private let isWaiting = Atomic(false)
    private let chunks = Atomic(0)
    private let received = Atomic(0)

    /// Bytes that standard input has given.
    var count: Int { received.load(ordering: .relaxed) }

    /// Returns when all is sent.
    ///
    /// - Throws: `CancellationError`, or the error of the read or the write.
    func send(from input: Connection, to connection: Connection) async throws {
        var buffer = ReadBuffer()
        while true {
            isWaiting.store(true, ordering: .relaxed)
            let count = try await input.read(into: &buffer)
            isWaiting.store(false, ordering: .relaxed)
            chunks.wrappingAdd(1, ordering: .relaxed)
            received.wrappingAdd(count, ordering: .relaxed)
            if count == 0 { break }
            try await connection.write(buffer)
            buffer.removeAll()
        }
        try await connection.closeWrite()
    }

    /// Returns when the input has given nothing for that long, or the task is cancelled.
    func whenIdle(for duration: Duration) async {
        var seen: Int
        repeat {
            seen = chunks.load(ordering: .relaxed)
            guard (try? await Task.sleep(for: duration)) != nil else { return }
        } while !isWaiting.load(ordering: .relaxed) || chunks.load(ordering: .relaxed) != seen
    }
}
