// Taking the descriptor out of a connection: only where the descriptor is all there is to the stream.

import EventLoop

extension Connection {
    /// The connection's descriptor, open and connected; the connection is used up.
    ///
    /// - Throws: ``EndpointError``: `busy`, `closed`, `invalidArgument`.
    package func giveUpDescriptor() throws -> Int32 {
        let operation = "detach"
        if phase != .open { throw refusal(operation) }
        if readObstacles.isReading || writeObstacles.contains(.writing) {
            throw error(.busy, operation, reason: "another task is using this connection")
        }
        if hasPushback {
            throw error(
                .invalidArgument,
                operation,
                reason: "bytes were read ahead that nobody has taken"
            )
        }
        guard transport === base, let socket = transport as? SocketTransport else {
            throw error(.invalidArgument, operation, reason: "the stream is not a plain socket's")
        }
        if extras?.isBroken == true { throw refusal(operation) }
        guard let descriptor = socket.detach(from: loop) else { throw refusal(operation) }
        endNow(.closed, reset: false)
        return descriptor
    }
}
