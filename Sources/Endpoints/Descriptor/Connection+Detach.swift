// Giving a connection's socket away, to another process or library.

import EventLoop

extension Connection {
    /// Gives the connection's descriptor back, open and connected; the connection is used up.
    ///
    /// The caller owns the descriptor from now on and must close it. It does not block (O_NONBLOCK) and
    /// is closed by execve (FD_CLOEXEC); bytes that have come and were not read are in its socket.
    ///
    /// - Returns: The descriptor.
    /// - Throws: ``EndpointError``: `busy` while a task reads or writes; `closed`; `invalidArgument` if
    ///   the socket is not all there is to the stream: over TLS and other layers, over something that is
    ///   no socket, and if bytes were read ahead that nobody has taken.
    public func detach() throws -> Int32 {
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
        DescriptorEndpoint.release(descriptor)
        endNow(.closed, reset: false)
        return descriptor
    }
}
