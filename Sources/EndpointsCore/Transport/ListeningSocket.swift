import CEndpoints
import Synchronization

/// A socket that listens, and what must be undone when it stops.
package final class ListeningSocket: Sendable {
    let descriptor: OwnedDescriptor
    /// Where it listens; port and path are the real ones.
    package let address: SocketAddress
    /// Whether others hold the socket too, and will take what waits in its queue.
    var isShared: Bool {
        get { shared.load(ordering: .relaxed) }
        set { shared.store(newValue, ordering: .relaxed) }
    }
    private let shared: Atomic<Bool>
    /// Removes what listening has left in the file system.
    private let cleanUp: (@Sendable () -> Void)?

    package init(
        _ descriptor: consuming OwnedDescriptor,
        address: SocketAddress,
        isShared: Bool = false,
        cleanUp: (@Sendable () -> Void)? = nil
    ) {
        self.descriptor = descriptor
        self.address = address
        shared = Atomic(isShared)
        self.cleanUp = cleanUp
    }

    // The descriptor, a stored property, is closed after this: a path is gone before its socket is.
    // Others that hold it still use the path.
    deinit { if !isShared { cleanUp?() } }
}
