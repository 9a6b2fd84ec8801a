import CEndpoints

/// A socket that listens, and what must be undone when it stops.
package final class ListeningSocket: Sendable {
    let descriptor: OwnedDescriptor
    /// Where it listens; port and path are the real ones.
    package let address: SocketAddress
    /// Who else holds it.
    let claim: SocketClaim
    /// Whether others hold the socket too, and will take what waits in its queue.
    var isShared: Bool { claim.isShared }

    /// Owns a descriptor.
    ///
    /// `isShared` says whether somebody else holds it for as long as this process runs. `adopt` runs
    /// when nobody else holds it any more, and `cleanUp` when nobody at all does.
    package init(
        _ descriptor: consuming OwnedDescriptor,
        address: SocketAddress,
        isShared: Bool = false,
        adopt: (@Sendable () -> Void)? = nil,
        cleanUp: (@Sendable () -> Void)? = nil
    ) {
        self.descriptor = descriptor
        self.address = address
        claim = SocketClaim(isShared: isShared, adopt: adopt, cleanUp: cleanUp)
    }

    // The descriptor, a stored property, is closed after this: a path is gone before its socket is.
    deinit { claim.close() }
}
