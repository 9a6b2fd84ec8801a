// One descriptor, and how to use it without ever blocking and without touching flags that others
// share:
//  - a socket: each call says MSG_DONTWAIT;
//  - a pipe or terminal: opened once more by way of /proc, which makes an open file description of
//    our own, with O_NONBLOCK. That takes a permission that a program started by another user may
//    lack; then, and for other devices,
//  - polled: poll(2) before each call, and no more than 4096 bytes (PIPE_BUF) a write, for which a
//    pipe that is reported writable has room (pipe(7));
//  - a file: as it is. It blocks for as long as the disk takes, and its position must stay shared.

import CEndpoints
import EventLoop

/// One direction's descriptor.
package final class DescriptorEnd {
    package enum Direction { case input, output }
    private enum Way { case owned, socket, reopened, polled, file }
    private static let mostPolled = 4096

    private var descriptor: Int32
    private let way: Way
    /// The inherited descriptor, if there is one.
    private let inherited: Int32?
    private var registration: (loop: EventLoop, relay: ReadinessRelay)?

    /// Takes over a descriptor of our own, and makes it non-blocking.
    package init(owning descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor.take()
        _ = endpoints_set_nonblocking(self.descriptor)
        inherited = nil
        way = .owned
    }

    /// Uses a descriptor that others share.
    ///
    /// - Throws: ``EndpointError`` if it is not open.
    package init(inherited descriptor: Int32, _ direction: Direction, endpoint: String) throws {
        var file = endpoints_file()
        let result = endpoints_fstat(descriptor, &file)
        guard result == 0 else {
            let name = direction == .input ? "standard input" : "standard output"
            throw EndpointError(
                errno: result,
                operation: "connect",
                endpoint: endpoint,
                reason: "\(name) is not open"
            )
        }
        inherited = descriptor
        let isPipe = endpoints_is_pipe(file.mode) != 0
        let isTerminal = isatty(descriptor) == 1
        if endpoints_is_socket(file.mode) != 0 {
            way = .socket
        } else if isPipe || isTerminal {
            let access = direction == .input ? O_RDONLY : O_WRONLY
            let own = endpoints_reopen(descriptor, access | O_NONBLOCK)
            way = own < 0 ? .polled : .reopened
            self.descriptor = own < 0 ? descriptor : own
            return
        } else {
            way = endpoints_is_character_device(file.mode) != 0 ? .polled : .file
        }
        self.descriptor = descriptor
    }

    deinit { close(sendingEnd: false) }

    /// Answers how many bytes were read, 0 at the end, or -errno.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            if way == .polled {
                let events = endpoints_poll_now(descriptor, Int16(POLLIN))
                if events == 0 { return -Int(EAGAIN) }
            }
            let n =
                way == .socket
                ? endpoints_recv_now(descriptor, buffer.baseAddress, buffer.count)
                : endpoints_read(descriptor, buffer.baseAddress, buffer.count)
            // A terminal whose other side is gone says EIO.
            if n == -Int(EIO), isatty(descriptor) == 1 { return 0 }
            if n != -Int(EINTR) { return n }
        }
    }

    /// Answers how many bytes were written, or -errno.
    func write(_ bytes: UnsafeRawBufferPointer) -> Int {
        var count = bytes.count
        while true {
            if way == .polled {
                let events = endpoints_poll_now(descriptor, Int16(POLLOUT))
                if events == 0 { return -Int(EAGAIN) }
                count = min(count, Self.mostPolled)
            }
            let n =
                way == .socket
                ? endpoints_send_now(descriptor, bytes.baseAddress, count)
                : endpoints_write(descriptor, bytes.baseAddress, count)
            if n != -Int(EINTR) { return n }
        }
    }

    /// Begins to report to `source`; 0 or -errno.
    package func register(on loop: EventLoop, as direction: Direction, for source: any EventSource)
        -> Int32
    {
        guard registration == nil, descriptor >= 0 else { return 0 }
        let relay = ReadinessRelay(to: source, direction)
        let result = loop.register(descriptor, relay, writable: direction == .output)
        if result == 0 { registration = (loop, relay) }
        return result == -EPERM ? 0 : result
    }

    /// Reports to another source from now on.
    func report(to source: any EventSource) { registration?.relay.target = source }

    /// Closes the descriptor; what was inherited refers to /dev/null from now on.
    ///
    /// On the loop that it is registered with. With `sendingEnd` the peer of a socket reads our end even
    /// if others hold the socket, too.
    package func close(sendingEnd: Bool) {
        guard descriptor >= 0 else { return }
        // Closing would not do: others may hold the same open file description.
        registration?.loop.deregister(descriptor, closing: false)
        registration = nil
        if sendingEnd && way == .socket { _ = endpoints_shutdown(descriptor, Int32(SHUT_WR)) }
        if descriptor != inherited { _ = endpoints_close(descriptor) }
        descriptor = -1
        guard let inherited else { return }
        let null = endpoints_open("/dev/null", O_RDWR, 0)
        guard null >= 0 else { return }
        _ = endpoints_replace(null, inherited)
        _ = endpoints_close(null)
    }
}

/// Tells a connection of one end's readiness, as if it were that of its one descriptor.
private final class ReadinessRelay: EventSource {
    // Safe: touched on the loop's thread only.
    nonisolated(unsafe) weak var target: (any EventSource)?
    private let direction: DescriptorEnd.Direction

    package init(to target: any EventSource, _ direction: DescriptorEnd.Direction) {
        self.target = target
        self.direction = direction
    }

    func ready(_ readiness: Readiness) {
        var told: Readiness = []
        switch direction {
        case .input:
            if readiness.contains(.readable) { told.insert(.readable) }
            if readiness.isEnding { told.insert(.readHangUp) }
        case .output:
            if readiness.contains(.writable) { told.insert(.writable) }
            // The reader of a pipe, or the peer of a socket, is gone (epoll_ctl(2)).
            if !readiness.isDisjoint(with: [.error, .hangUp]) { told.insert(.error) }
        }
        if !told.isEmpty { target?.ready(told) }
    }

    func loopWillStop() { target?.loopWillStop() }
}
