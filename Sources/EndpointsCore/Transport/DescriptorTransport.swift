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

/// What stands behind two descriptors and decides how their stream ends: a process.
///
/// The end of its output is not the end of the connection, nor is a pipe that it no longer reads: how the
/// process exits is. Nor does its exit end the output: a grandchild may hold the pipe, and what was
/// written before is still to be read.
package protocol StreamOwner: AnyObject {
    /// How it ended; `nil` while it runs.
    var end: ConnectionEnd? { get }
    /// Runs on the loop when it has ended.
    var onEnd: (() -> Void)? { get set }
    /// Makes it end.
    func stop(urgently: Bool)
}

package final class DescriptorTransport: BaseTransport, Transport {
    private let input: DescriptorEnd
    private let output: DescriptorEnd
    private let owner: (any StreamOwner)?
    private weak var source: (any EventSource)?

    /// Makes a transport that closes both ends, and stops their owner, when it is closed.
    package init(input: DescriptorEnd, output: DescriptorEnd, owner: (any StreamOwner)? = nil) {
        self.input = input
        self.output = output
        self.owner = owner
    }

    package var base: BaseTransport { self }
    package var endOfStream: ConnectionEnd? { owner == nil ? .peerClosed : owner?.end }

    package func end(afterFailure error: EndpointError) -> ConnectionEnd? {
        if let owner, error.systemError?.code == EPIPE { return owner.end }
        return .failed(error)
    }

    package func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        guard isReadable else { return .needsReadable }
        let n = input.read(into: buffer)
        if n >= 0 { return .moved(n) }
        guard n == -Int(EAGAIN) else { return Transfer(rawValue: n) }
        isReadable = false
        return .needsReadable
    }

    package func write(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        guard isWritable else { return .needsWritable }
        let n = output.write(bytes)
        if n >= 0 { return .moved(n) }
        guard n == -Int(EAGAIN) else { return Transfer(rawValue: n) }
        isWritable = false
        return .needsWritable
    }

    package func write(_ parts: UnsafeBufferPointer<iovec>) -> Transfer {
        guard let part = parts.first else { return .moved(0) }
        return write(UnsafeRawBufferPointer(start: part.iov_base, count: part.iov_len))
    }

    package func closeWrite() -> Transfer {
        output.close(sendingEnd: true)
        return .moved(0)
    }

    package func end(after readiness: Readiness) -> ConnectionEnd? {
        guard readiness.isEnding else { return nil }
        if let owner { return owner.end }
        guard readiness.contains(.error) else { return .peerClosed }
        return .failed(EndpointError(errno: EPIPE, operation: "write"))
    }

    package override func register(on loop: EventLoop, _ source: any EventSource) -> Int32 {
        if isRegistered { return 0 }
        watchOwner(on: loop, source)
        for (end, direction) in [(input, DescriptorEnd.Direction.input), (output, .output)] {
            let result = end.register(on: loop, as: direction, for: source)
            if result != 0 { return result }
        }
        isRegistered = true
        return 0
    }

    private func watchOwner(on loop: EventLoop, _ source: any EventSource) {
        guard let owner else { return }
        self.source = source
        if owner.end == nil {
            owner.onEnd = { [weak self] in self?.source?.ready([.readHangUp, .hangUp]) }
        } else {
            // Safe: it is called on the loop, where the source lives.
            nonisolated(unsafe) let source = source
            loop.runOutsideJob { source.ready([.readHangUp, .hangUp]) }
        }
    }

    package override func reregister(on loop: EventLoop, _ source: any EventSource) {
        self.source = source
        input.report(to: source)
        output.report(to: source)
    }

    package override func close(on loop: EventLoop, reset: Bool) {
        isRegistered = false
        output.close(sendingEnd: !reset)
        input.close(sendingEnd: false)
        owner?.onEnd = nil
        owner?.stop(urgently: reset)
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
            on: context.nextLoop()
        )
    }
}
