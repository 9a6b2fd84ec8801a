// A listening socket as a source of connections. It is edge-triggered and remembers that it is
// readable until accept(2) says EAGAIN, so a pause or a suspension loses nothing, and nothing spins
// meanwhile.

import CEndpoints
import EventLoop

final class SocketSource: ConnectionSource {
    private(set) var socket: ListeningSocket?
    private var isRegistered = false
    private let isUNIX: Bool
    private let isUnspecified: Bool
    let address: SocketAddress
    let queue = AcceptQueue()
    var isShared: Bool { socket?.isShared ?? false }

    init(_ socket: ListeningSocket) {
        self.socket = socket
        isUNIX = socket.address.path != nil
        isUnspecified = socket.address.isUnspecified
        address = socket.address
    }

    package func register(for listener: Listener) -> Int32 {
        guard !isRegistered, let socket else { return 0 }
        queue.listener = listener
        let result = listener.loop.register(socket.descriptor.rawValue, self)
        isRegistered = result == 0
        return result
    }

    func next() -> Accepted {
        guard let socket else { return .ended }
        var peer = KernelAddress()
        let result = endpoints_accept(socket.descriptor.rawValue, &peer.storage, &peer.length)
        if result == -EAGAIN {
            queue.mayHaveMore = false
            return .wouldBlock
        }
        guard result >= 0 else { return .failed(-result) }
        let descriptor = OwnedDescriptor(result)
        // From accept(2) and never getpeername(2): the peer may be gone already.
        let remote = SocketAddress(peer) ?? SocketAddress(path: "")
        let local = isUnspecified ? SocketAddress(localOf: descriptor.rawValue) : address
        let facts = ConnectionFacts(
            localAddress: local,
            remoteAddress: remote,
            peerCredentials: isUNIX ? PeerCredentials(of: descriptor.rawValue) : nil
        )
        return .connection(SocketTransport(descriptor, isUNIX: isUNIX), facts)
    }

    package func close(on loop: EventLoop) {
        guard let socket else { return }
        // Another's copy would keep it in the readiness source.
        let closing = !socket.isShared
        if isRegistered { loop.deregister(socket.descriptor.rawValue, closing: closing) }
        isRegistered = false
        self.socket = nil
    }
}

// Unchecked by the compiler: events come on the listener's loop, where the source lives.
extension SocketSource: EventSource {
    nonisolated func ready(_ readiness: Readiness) { queue.becomeReadable() }

    nonisolated func loopWillStop() { queue.listener?.loopWillStop() }
}
