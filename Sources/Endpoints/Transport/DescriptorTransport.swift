// A stream made of two descriptors, one to read and one to write, which may be anything: pipes,
// terminals, files, sockets.
//
// Often they were inherited, and the shell or a sibling holds the same open file description: were
// we to set O_NONBLOCK, *its* reads would begin to fail with EAGAIN. So each end finds a way of its
// own not to block (DescriptorEnd.swift), and closing an inherited end puts /dev/null in its place,
// lest the next file that is opened become standard output.
//
// epoll knows the two ends apart; the connection hears of them as of one socket. Files and /dev/null
// it refuses with EPERM: those are ready always.

import CEndpoints
import EventLoop

class DescriptorTransport: BaseTransport, Transport {
    private let input: DescriptorEnd
    private let output: DescriptorEnd

    /// Makes a transport that closes both ends when it is closed.
    init(input: DescriptorEnd, output: DescriptorEnd) {
        self.input = input
        self.output = output
    }

    final var base: BaseTransport { self }
    var endOfStream: ConnectionEnd? { .peerClosed }

    func end(afterFailure error: EndpointError) -> ConnectionEnd? { .failed(error) }

    final func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        guard isReadable else { return .needsReadable }
        let n = input.read(into: buffer)
        if n >= 0 { return .moved(n) }
        guard n == -Int(EAGAIN) else { return Transfer(rawValue: n) }
        isReadable = false
        return .needsReadable
    }

    final func write(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        guard isWritable else { return .needsWritable }
        let n = output.write(bytes)
        if n >= 0 { return .moved(n) }
        guard n == -Int(EAGAIN) else { return Transfer(rawValue: n) }
        isWritable = false
        return .needsWritable
    }

    final func write(_ parts: UnsafeBufferPointer<iovec>) -> Transfer {
        guard let part = parts.first else { return .moved(0) }
        return write(UnsafeRawBufferPointer(start: part.iov_base, count: part.iov_len))
    }

    final func closeWrite() -> Transfer {
        output.close(sendingEnd: true)
        return .moved(0)
    }

    func end(after readiness: Readiness) -> ConnectionEnd? {
        guard readiness.isEnding else { return nil }
        guard readiness.contains(.error) else { return .peerClosed }
        return .failed(EndpointError(errno: EPIPE, operation: "write"))
    }

    override func register(on loop: EventLoop, _ source: any EventSource) -> Int32 {
        if isRegistered { return 0 }
        for (end, direction) in [(input, DescriptorEnd.Direction.input), (output, .output)] {
            let result = end.register(on: loop, as: direction, for: source)
            if result != 0 { return result }
        }
        isRegistered = true
        return 0
    }

    override func reregister(on loop: EventLoop, _ source: any EventSource) {
        input.report(to: source)
        output.report(to: source)
    }

    override func close(on loop: EventLoop, reset: Bool) {
        isRegistered = false
        output.close(sendingEnd: !reset)
        input.close(sendingEnd: false)
    }
}

extension Connection {
    /// A connection that reads one descriptor and writes another, such as the ends of two pipes.
    ///
    /// Both are closed with it, and made non-blocking: nobody else may use them.
    package static func make(
        reading input: Int32,
        writing output: Int32,
        name: String,
        in context: EndpointContext
    ) -> Connection {
        let address = SocketAddress(named: name)
        return Connection(
            DescriptorTransport(
                input: DescriptorEnd(owning: OwnedDescriptor(input)),
                output: DescriptorEnd(owning: OwnedDescriptor(output))
            ),
            facts: ConnectionFacts(localAddress: address, remoteAddress: address),
            origin: ConnectionOrigin(endpoint: name, in: context),
            on: EventLoop.current ?? context.loops.next()
        )
    }
}
