import CEndpoints

/// A socket that listens, and what must be undone when it stops.
final class ListeningSocket: Sendable {
    let descriptor: OwnedDescriptor
    /// Where it listens; port and path are the real ones.
    let address: SocketAddress
    /// Whether others hold the socket too, and will take what waits in its queue.
    let isShared: Bool
    /// Removes what listening has left in the file system.
    private let cleanUp: (@Sendable () -> Void)?

    init(
        _ descriptor: consuming OwnedDescriptor,
        address: SocketAddress,
        isShared: Bool = false,
        cleanUp: (@Sendable () -> Void)? = nil
    ) {
        self.descriptor = descriptor
        self.address = address
        self.isShared = isShared
        self.cleanUp = cleanUp
    }

    // The descriptor, a stored property, is closed after this: a path is gone before its socket is.
    deinit { cleanUp?() }
}
