// Giving a connection's socket away, to another process or library.

import EndpointStrings
import EndpointsCore
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
        let descriptor = try giveUpDescriptor()
        DescriptorEndpoint.release(descriptor)
        return descriptor
    }
}
