// One end of a memory pair whose bytes a task carries on, to or from the real connection. What the
// holder of that end writes is in the carrier's hands when the write returns, and an end of memory
// tells the other end the same of a half-close and of a close. So a close is told apart here, and
// waits: for the carrier to end the other direction, which it does when all has been carried.

import CEndpoints
import EventLoop
import Logging

/// A memory end that tells when it is closed, and then waits for the end of the other.
final class CarriedTransport: Transport {
    private let inner: MemoryTransport
    private let tellClosing: @Sendable () -> Void
    private var isClosing = false

    init(_ inner: MemoryTransport, whenClosing tell: @escaping @Sendable () -> Void) {
        self.inner = inner
        tellClosing = tell
    }

    // Whoever drops the end without a close has closed it.
    deinit { tellClosing() }

    package var base: BaseTransport { inner }
    package var failure: EndpointError? { inner.failure }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer { inner.read(into: buffer) }
    func write(_ bytes: UnsafeRawBufferPointer) -> Transfer { inner.write(bytes) }
    func write(_ parts: UnsafeBufferPointer<iovec>) -> Transfer { inner.write(parts) }
    func closeWrite() -> Transfer { inner.closeWrite() }
    package func end(after readiness: Readiness) -> ConnectionEnd? { inner.end(after: readiness) }

    package func sayGoodbye() -> Transfer {
        if !isClosing {
            isClosing = true
            _ = inner.closeWrite()
            tellClosing()
        }
        return withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { dropped in
            while true {
                let transfer = inner.read(into: dropped)
                if transfer.wouldBlock { return transfer }
                if transfer.rawValue <= 0 { return .moved(0) }
            }
        }
    }
}

extension Connection {
    /// As ``memoryPair()``, with a first end to be handed out and a second for who carries its bytes.
    ///
    /// A close of the first returns when the second has ended its stream.
    ///
    /// - Parameter tell: Called on a loop when the first end is closed, not when it is half-closed;
    ///   perhaps twice.
    /// - Returns: The end to hand out, and the carrier's.
    package static func carriedPair(
        whenClosing tell: @escaping @Sendable () -> Void
    ) -> (outer: Connection, carrier: Connection) {
        let group = EventLoopGroup.shared
        let current = EventLoop.current
        let address = SocketAddress(named: "memory")
        let facts = ConnectionFacts(localAddress: address, remoteAddress: address)
        let origin = ConnectionOrigin(endpoint: "memory", logger: Logger(label: "endpoints"))
        let (outer, carrier) = MemoryTransport.makePair()
        return (
            Connection(
                CarriedTransport(outer, whenClosing: tell),
                facts: facts,
                origin: origin,
                on: current ?? group.next()
            ),
            Connection(carrier, facts: facts, origin: origin, on: current ?? group.next())
        )
    }
}
