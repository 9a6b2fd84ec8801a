/// A socket that listens, and what must be undone when it stops.
final class ListeningSocket: Sendable {
    let descriptor: OwnedDescriptor
    /// Where it listens; port and path are the real ones.
    let address: SocketAddress
    /// Runs once the descriptor is closed: removes a UNIX path and its lock.
    let cleanUp: (@Sendable () -> Void)?

    init(_ descriptor: consuming OwnedDescriptor, address: SocketAddress, cleanUp: (@Sendable () -> Void)? = nil) {
        self.descriptor = descriptor
        self.address = address
        self.cleanUp = cleanUp
    }
}
