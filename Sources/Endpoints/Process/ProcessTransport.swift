// A child's standard input and output. The end of its output is not the end of the connection, nor is a
// pipe that it reads no more: how the child exits is, and `ended` waits for that. Nor does its exit end
// the output: a grandchild may hold the pipe, and what was written before is still to be read.

import EventLoop

final class ProcessTransport: DescriptorTransport {
    let child: ChildProcess
    private weak var source: (any EventSource)?

    init(_ child: ChildProcess, input: DescriptorEnd, output: DescriptorEnd) {
        self.child = child
        super.init(input: input, output: output)
    }

    override var endOfStream: ConnectionEnd? { child.end }

    override func end(afterFailure error: EndpointError) -> ConnectionEnd? {
        error.systemError?.name == "EPIPE" ? child.end : .failed(error)
    }

    override func end(after readiness: Readiness) -> ConnectionEnd? {
        readiness.isEnding ? child.end : nil
    }

    override func register(on loop: EventLoop, _ source: any EventSource) -> Int32 {
        if isRegistered { return 0 }
        self.source = source
        if child.end == nil {
            child.onEnd = { [weak self] in self?.source?.ready(.readHangUp) }
        } else {
            // Safe: it is called on the loop, where the source lives.
            nonisolated(unsafe) let source = source
            loop.runOutsideJob { source.ready(.readHangUp) }
        }
        return super.register(on: loop, source)
    }

    override func reregister(on loop: EventLoop, _ source: any EventSource) {
        self.source = source
        super.reregister(on: loop, source)
    }

    override func close(on loop: EventLoop, reset: Bool) {
        super.close(on: loop, reset: reset)
        child.onEnd = nil
        child.stop(urgently: reset)
    }
}
