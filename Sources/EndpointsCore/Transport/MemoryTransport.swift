// Two connections of one process, joined without a socket: bounded, half-closed and reset like one.
//
// The ends may live on different loops. What passes between them is behind a lock, and news travels
// as a call posted to the other end's loop. A lost wake-up is avoided as with epoll: whoever finds
// nothing to do says so under the lock ("tell me"), and an end that has not been registered when the
// news comes keeps it until it is. Only then is it known on which loop it lives.

import CEndpoints
import EventLoop
import Logging

/// One direction: at most 64 KiB that were written and not yet read.
private final class MemoryPipe: Sendable {
    final class State {
        var bytes = ReadBuffer()
        var hasEnded = false
        var isReset = false
        /// What the reader gets behind the last byte, in place of an end.
        package var failure: EndpointError?
        /// The reader is gone.
        var isBroken = false
        var readerWaits = false
        var writerWaits = false
    }
    let state = Lock(MemoryPipe.State())
}

/// Where news for one end goes.
// Unchecked: `source` is used on the loop's thread only; `state` is locked.
private final class MemoryEnd: @unchecked Sendable {
    private struct State {
        package var loop: EventLoop?
        var pending = Readiness()
    }
    weak var source: (any EventSource)?
    private let state = Lock(State())

    /// From any thread.
    func tell(_ readiness: Readiness) {
        let loop = state.withLock { state in
            if state.loop == nil { state.pending.formUnion(readiness) }
            return state.loop
        }
        loop?.runOutsideJob { self.source?.ready(readiness) }
    }

    package func register(_ source: any EventSource, on loop: EventLoop) {
        self.source = source
        let pending = state.withLock { state in
            state.loop = loop
            defer { state.pending = [] }
            return state.pending
        }
        if !pending.isEmpty { tell(pending) }
    }
}

/// One end of a pair.
// Unchecked: an end is used on its loop's thread only, and what it shares with the other is locked.
package final class MemoryTransport: BaseTransport, Transport, @unchecked Sendable {
    private static let capacity = 65_536
    private let incoming: MemoryPipe
    private let outgoing: MemoryPipe
    private let own: MemoryEnd
    private let other: MemoryEnd
    private var isClosed = false

    private init(
        incoming: MemoryPipe,
        outgoing: MemoryPipe,
        own: MemoryEnd,
        other: MemoryEnd
    ) {
        self.incoming = incoming
        self.outgoing = outgoing
        self.own = own
        self.other = other
    }

    deinit { if !isClosed { finish(reset: false) } }

    /// A pair of ends, each for any loop.
    package static func makePair() -> (MemoryTransport, MemoryTransport) {
        let pipes = (MemoryPipe(), MemoryPipe())
        let ends = (MemoryEnd(), MemoryEnd())
        return (
            MemoryTransport(incoming: pipes.0, outgoing: pipes.1, own: ends.0, other: ends.1),
            MemoryTransport(incoming: pipes.1, outgoing: pipes.0, own: ends.1, other: ends.0)
        )
    }

    package var base: BaseTransport { self }

    package func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        guard isReadable else { return .needsReadable }
        let (transfer, wakesWriter) = incoming.state.withLock { state in
            if state.isReset { return (Transfer.systemError(ECONNRESET), false) }
            let count = min(state.bytes.count, buffer.count)
            if count == 0 {
                if state.failure != nil { return (.failed, false) }
                if state.hasEnded { return (.moved(0), false) }
                state.readerWaits = true
                return (.needsReadable, false)
            }
            buffer.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: state.bytes.readable[..<count])
            )
            state.bytes.removeFirst(count)
            if state.bytes.isEmpty { state.bytes = ReadBuffer() }
            defer { state.writerWaits = false }
            return (.moved(count), state.writerWaits)
        }
        if transfer == .needsReadable { isReadable = false }
        if wakesWriter { other.tell(.writable) }
        return transfer
    }

    package func write(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        guard isWritable else { return .needsWritable }
        let (transfer, wakesReader) = outgoing.state.withLock { state in
            if state.isReset || state.isBroken || state.hasEnded {
                return (Transfer.systemError(EPIPE), false)
            }
            let count = min(Self.capacity - state.bytes.count, bytes.count)
            if count == 0 {
                state.writerWaits = true
                return (.needsWritable, false)
            }
            state.bytes.append(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
            defer { state.readerWaits = false }
            return (.moved(count), state.readerWaits)
        }
        if transfer == .needsWritable { isWritable = false }
        if wakesReader { other.tell(.readable) }
        return transfer
    }

    package func write(_ parts: UnsafeBufferPointer<iovec>) -> Transfer {
        var total = 0
        for part in parts where part.iov_len > 0 {
            let bytes = UnsafeRawBufferPointer(start: part.iov_base, count: part.iov_len)
            let transfer = write(bytes)
            guard transfer.rawValue > 0 else { return total > 0 ? .moved(total) : transfer }
            total += transfer.rawValue
            if transfer.rawValue < bytes.count { break }
        }
        return .moved(total)
    }

    package func closeWrite() -> Transfer {
        outgoing.state.withLock { $0.hasEnded = true }
        other.tell([.readable, .readHangUp])
        return .moved(0)
    }

    package func end(after readiness: Readiness) -> ConnectionEnd? {
        guard readiness.isEnding else { return nil }
        let (isReset, failure) = incoming.state.withLock { ($0.isReset, $0.failure) }
        if let failure { return failure.code == .truncated ? .truncated : .failed(failure) }
        if !isReset { return .peerClosed }
        return .failed(EndpointError(errno: ECONNRESET, operation: "read"))
    }

    package var failure: EndpointError? { incoming.state.withLock { $0.failure } }

    /// Ends our stream by a failure, unless it has ended; `close` tells the other end.
    package func fail(with error: EndpointError) {
        outgoing.state.withLock { state in
            if state.hasEnded { return }
            state.failure = error
            state.hasEnded = true
        }
    }

    package override func register(on loop: EventLoop, _ source: any EventSource) -> Int32 {
        isRegistered = true
        own.register(source, on: loop)
        return 0
    }

    package override func reregister(on loop: EventLoop, _ source: any EventSource) {
        own.register(source, on: loop)
    }

    package override func close(on loop: EventLoop, reset: Bool) {
        guard !isClosed else { return }
        own.source = nil
        finish(reset: reset)
    }

    override var unsentCount: Int { outgoing.state.withLock { $0.bytes.count } }

    override var unacknowledgedCount: Int { unsentCount }

    package override var unreadCount: Int { incoming.state.withLock { $0.bytes.count } }

    package override func shutDownWrite() { _ = closeWrite() }

    private func finish(reset: Bool) {
        isClosed = true
        outgoing.state.withLock { state in
            if reset && !state.hasEnded { state.bytes = ReadBuffer() }
            if reset { state.isReset = true } else { state.hasEnded = true }
        }
        incoming.state.withLock { state in
            state.isBroken = true
            state.bytes = ReadBuffer()
        }
        other.tell([.readable, .writable, reset ? .error : [.readHangUp, .hangUp]])
    }
}

extension Connection {
    /// Two connections of this process, joined to each other without a socket.
    ///
    /// They behave like the two ends of one: 64 KiB may wait in each direction, an end can be
    /// half-closed, and an abort reads as `connectionReset`. Both live on the caller's loop if it is
    /// on one, else on loops of the shared group.
    ///
    /// - Returns: The two ends.
    public static func memoryPair() -> (Connection, Connection) {
        let group = EventLoopGroup.shared
        let current = EventLoop.current
        return memoryPair(on: current ?? group.next(), current ?? group.next())
    }

    /// Two joined connections that tell what `connection` tells of itself.
    ///
    /// That is its addresses, the peer's credentials, TLS, a PROXY header, and how it was made. Both
    /// live on its loop.
    ///
    /// For kinds whose protocol frames a stream: one end is handed out in place of `connection`, and
    /// what is read from the other goes over `connection` in that protocol's terms. What breaks the
    /// protocol is told by ``abort(with:)``.
    ///
    /// - Parameter connection: What carries the pair's bytes.
    /// - Returns: The two ends.
    public static func memoryPair(over connection: Connection) -> (Connection, Connection) {
        let (a, b) = MemoryTransport.makePair()
        let (facts, origin, loop) = (connection.facts, connection.origin, connection.loop)
        return (
            Connection(a, facts: facts, origin: origin, on: loop),
            Connection(b, facts: facts, origin: origin, on: loop)
        )
    }

    /// Ends the connection, and tells the other end of its ``memoryPair()`` why.
    ///
    /// The other end reads what was written before, and then its reads throw `error`; it has
    /// ``ended()`` as `.truncated` if that is the error's code, else as `.failed`. So a kind whose
    /// protocol frames a stream tells a stream that was cut off from one that has ended. After
    /// ``closeWrite()`` the stream was whole, and the other end reads its end. On anything but an end
    /// of a memory pair it is ``abort()``.
    ///
    /// - Parameter error: What the other end's reads throw.
    public nonisolated func abort(with error: EndpointError) {
        loop.run {
            let connection = self.latest
            guard let end = connection.base as? MemoryTransport else {
                return connection.endNow(.closed, reset: true)
            }
            end.fail(with: error)
            connection.endNow(.closed, reset: false)
        }
    }

    /// As ``memoryPair()``, on loops of one's choice.
    static func memoryPair(on first: EventLoop, _ second: EventLoop) -> (Connection, Connection) {
        let address = SocketAddress(named: "memory")
        let facts = ConnectionFacts(localAddress: address, remoteAddress: address)
        let origin = ConnectionOrigin(endpoint: "memory", logger: Logger(label: "endpoints"))
        let (a, b) = MemoryTransport.makePair()
        return (
            Connection(a, facts: facts, origin: origin, on: first),
            Connection(b, facts: facts, origin: origin, on: second)
        )
    }
}
