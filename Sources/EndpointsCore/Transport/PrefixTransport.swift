// Bytes that were read too far, before a layer above begins: a PROXY header that came in one packet
// with the ClientHello.

import CEndpoints
import EventLoop

/// Gives reads some bytes first, and then what the inner transport has.
final class PrefixTransport: Transport {
    private var prefix: [UInt8]
    private var start = 0
    private let inner: any Transport

    init(_ prefix: [UInt8], _ inner: any Transport) {
        self.prefix = prefix
        self.inner = inner
    }

    package var base: BaseTransport { inner.base }
    package var failure: EndpointError? { inner.failure }
    package var hasSealedBytes: Bool { inner.hasSealedBytes }
    package var hasSentEnd: Bool { inner.hasSentEnd }
    package func sendLeftovers() { inner.sendLeftovers() }
    package var needsTurn: Bool { prefix.isEmpty && inner.needsTurn }
    package var lingers: Bool { inner.lingers }
    package var endOfStream: ConnectionEnd? { inner.endOfStream }
    package func end(afterFailure error: EndpointError) -> ConnectionEnd? {
        inner.end(afterFailure: error)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        let left = prefix.count - start
        guard left > 0 else { return inner.read(into: buffer) }
        let count = min(left, buffer.count)
        prefix.withUnsafeBytes { bytes in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
        }
        start += count
        if start == prefix.count {
            prefix = []
            start = 0
        }
        return .moved(count)
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> Transfer { inner.write(bytes) }
    func write(_ parts: UnsafeBufferPointer<iovec>) -> Transfer { inner.write(parts) }
    func closeWrite() -> Transfer { inner.closeWrite() }
    package func sayGoodbye() -> Transfer { inner.sayGoodbye() }
    package func end(after readiness: Readiness) -> ConnectionEnd? { inner.end(after: readiness) }
    package func lookAhead() -> ConnectionEnd? { prefix.isEmpty ? inner.lookAhead() : nil }
}
