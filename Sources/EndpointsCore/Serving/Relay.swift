// Joining two connections: what one sends the other gets, in both directions, until both have ended.
// An end is passed on as a half-close, so that a request whose end is its end-of-stream still gets
// its answer. An error in one direction ends both: half a conversation is of no use.

import EventLoop

/// Moves bytes between two connections, both ways, until both peers have ended their streams.
///
/// A peer's end is passed on with `closeWrite`. When one direction fails, both connections are
/// aborted, so that both peers learn of it. The connections are not closed otherwise.
///
/// Cancellation: stops; bytes that were read and not yet written are lost.
///
/// - Returns: How many bytes went from `a` to `b`, and from `b` to `a`.
/// - Throws: `CancellationError`, or the ``EndpointError`` of the direction that failed first.
@discardableResult
public func relay(
    between a: Connection,
    and b: Connection
) async throws -> (forward: Int, backward: Int) {
    try await withThrowingTaskGroup(of: (isForward: Bool, count: Int).self) { group in
        group.addTask(executorPreference: a.loop) { (true, try await a.pump(to: b)) }
        group.addTask(executorPreference: b.loop) { (false, try await b.pump(to: a)) }
        var counts = (forward: 0, backward: 0)
        do {
            for try await direction in group {
                if direction.isForward {
                    counts.forward = direction.count
                } else {
                    counts.backward = direction.count
                }
            }
        } catch {
            group.cancelAll()
            if !(error is CancellationError) {
                a.abort()
                b.abort()
            }
            throw error
        }
        return counts
    }
}

extension Connection {
    /// Copies our bytes to `other`, and our end; one direction of ``relay(between:and:)``.
    package func pump(to other: Connection) async throws -> Int {
        var count = 0
        var buffer = ReadBuffer()
        while true {
            let read = try await read(into: &buffer)
            if read == 0 { break }
            try await other.write(buffer)
            count += read
            buffer.removeAll()
        }
        try await other.closeWrite()
        return count
    }
}
