// A stream socket. A short read empties it, so the next call answers "would block" by itself. But
// not always (`shortReadsEmpty`), and a reader that then waited would sleep on bytes that are there.

import CEndpoints
import EventLoop

package final class SocketTransport: BaseTransport, Transport {
    private(set) var descriptor: Int32
    private let isUNIX: Bool
    private var hasShutDown = false

    /// Moves bytes over a socket; over a UNIX one the peer can send descriptors along.
    init(_ descriptor: consuming OwnedDescriptor, isUNIX: Bool) {
        self.descriptor = descriptor.take()
        self.isUNIX = isUNIX
        super.init()
        shortReadsEmpty = !isUNIX
    }

    deinit {
        if descriptor >= 0 { _ = endpoints_close(descriptor) }
    }

    package var base: BaseTransport { self }

    package func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        guard isReadable else { return .needsReadable }
        while true {
            let n = endpoints_recv(descriptor, buffer.baseAddress, buffer.count)
            if n > 0 {
                if n < buffer.count && shortReadsEmpty { isReadable = false }
                return .moved(n)
            }
            if n == 0 { return pendingError == 0 ? .moved(0) : .systemError(pendingError) }
            if n == -Int(EAGAIN) {
                isReadable = false
                return .needsReadable
            }
            if n != -Int(EINTR) {
                // The error is taken from the socket: no event reports it any more.
                hasFailed = true
                return Transfer(rawValue: n)
            }
        }
    }

    package func write(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        guard isWritable else { return .needsWritable }
        while true {
            let n = endpoints_send(descriptor, bytes.baseAddress, bytes.count)
            if n >= 0 {
                if n < bytes.count { isWritable = false }
                return .moved(n)
            }
            if n != -Int(EINTR) { return written(n) }
        }
    }

    package func write(_ parts: UnsafeBufferPointer<iovec>) -> Transfer {
        guard isWritable else { return .needsWritable }
        while true {
            let n = endpoints_sendv(descriptor, parts.baseAddress, min(parts.count, 1024))
            if n >= 0 { return .moved(n) }
            if n != -Int(EINTR) { return written(n) }
        }
    }

    private func written(_ n: Int) -> Transfer {
        guard n == -Int(EAGAIN) else {
            // What ended the connection is told but once; to a read it would look like an end.
            hasFailed = true
            if n == -Int(ECONNRESET) || n == -Int(ETIMEDOUT) { pendingError = Int32(-n) }
            return Transfer(rawValue: n)
        }
        isWritable = false
        return .needsWritable
    }

    package func closeWrite() -> Transfer {
        hasShutDown = true
        let result = endpoints_shutdown(descriptor, Int32(SHUT_WR))
        // ENOTCONN: the peer has reset the connection; a read will say so.
        return result == -ENOTCONN ? .moved(0) : Transfer(rawValue: Int(result))
    }

    package func end(after readiness: Readiness) -> ConnectionEnd? {
        guard readiness.isEnding else { return nil }
        if readiness.contains(.error) && pendingError == 0 {
            // Asking clears it, so it is kept for the reads to come.
            pendingError = max(endpoints_get_option(descriptor, SOL_SOCKET, SO_ERROR), 0)
        }
        if pendingError == 0 { return .peerClosed }
        return .failed(EndpointError(errno: pendingError, operation: "read"))
    }

    package override func register(on loop: EventLoop, _ source: any EventSource) -> Int32 {
        if isRegistered { return 0 }
        let result = loop.register(descriptor, source)
        isRegistered = result == 0
        return result
    }

    override func watchWritable(on loop: EventLoop) -> Int32 { loop.watchWritable(descriptor) }

    package override func reregister(on loop: EventLoop, _ source: any EventSource) {
        loop.reregister(descriptor, source)
    }

    package override func close(on loop: EventLoop, reset: Bool) {
        guard descriptor >= 0 else { return }
        if isRegistered { loop.deregister(descriptor, closing: true) }
        isRegistered = false
        // Lingering for no time at all makes close(2) send RST and drop what is unsent (socket(7)).
        if reset { _ = endpoints_set_linger(descriptor, 1, 0) }
        _ = endpoints_close(descriptor)
        descriptor = -1
    }

    /// Gives the descriptor away, which is open and no longer the loop's; `nil` if it was closed.
    package func detach(from loop: EventLoop) -> Int32? {
        guard descriptor >= 0 else { return nil }
        if isRegistered { loop.deregister(descriptor, closing: false) }
        isRegistered = false
        defer { descriptor = -1 }
        return descriptor
    }

    package override var unreadCount: Int { max(Int(endpoints_unread(descriptor)), 0) }

    package override var writeRoom: Int? {
        let room = endpoints_send_room(descriptor)
        return room < 0 ? nil : room
    }

    override var unsentCount: Int { max(Int(endpoints_unsent(descriptor)), 0) }

    override var unacknowledgedCount: Int {
        // What a UNIX socket has taken is in the peer's hands.
        if isUNIX { return 0 }
        let count = max(Int(endpoints_unacknowledged(descriptor)), 0)
        // Our end counts as a byte (RFC 9293, section 3.4).
        return hasShutDown && count > 0 ? count - 1 : count
    }

    package override func shutDownWrite() { _ = closeWrite() }

    package override func discard() -> Transfer {
        withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 16) { read(into: $0) }
    }

    override func sendFile(_ file: Int32, offset: inout Int, count: Int) -> Transfer? {
        guard isWritable else { return .needsWritable }
        while true {
            let n = endpoints_sendfile(descriptor, file, &offset, min(count, 1 << 20))
            if n >= 0 { return .moved(n) }
            // Not to be sent so, or not to be read: who reads it piece by piece finds out.
            if n == -Int(EINVAL) || n == -Int(ENOSYS) || n == -Int(EIO)
                || n == -Int(EOVERFLOW)
            {
                return nil
            }
            if n != -Int(EINTR) { return written(n) }
        }
    }
}
