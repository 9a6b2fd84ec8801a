// Sockets of another process, put under an endpoint that would otherwise make its own: the same
// place, the same stages above it, nothing bound. The endpoint that listens in the end finds them in
// its context. They are taken once: a second listener must not read the first one's queue.

import CEndpoints
import EventLoop

/// Listening sockets that an endpoint is to use in place of new ones.
package final class InheritedSockets: Sendable {
    private let descriptors: Lock<[Int32]?>
    private let isHeld: Bool
    private let share: SocketShare?

    /// Owns descriptors of listening sockets.
    ///
    /// `isHeld` says whether somebody keeps them while this process runs, as systemd does; `share` is
    /// the predecessor's, which ends when it is told to go.
    package init(_ descriptors: [Int32], isHeld: Bool, share: SocketShare? = nil) {
        self.descriptors = Lock(descriptors)
        self.isHeld = isHeld
        self.share = share
    }

    deinit {
        for descriptor in take() ?? [] { _ = endpoints_close(descriptor) }
    }

    /// Whether nobody has taken them.
    package var isUnused: Bool { descriptors.withLock { $0 != nil } }

    /// A listener on them; `nil` if they were taken before.
    ///
    /// `adopt` takes charge of the path of a UNIX socket when nobody else does, and `cleanUp` is what
    /// the last of those who share it must do.
    package func listener(
        endpoint: String,
        in context: EndpointContext,
        adopt: (@Sendable () -> Void)? = nil,
        cleanUp: (@Sendable () -> Void)? = nil
    ) -> Listener? {
        guard let descriptors = take() else { return nil }
        let sockets = descriptors.enumerated().map { index, descriptor in
            ListeningSocket(
                OwnedDescriptor(descriptor),
                address: SocketAddress(localOf: descriptor),
                isShared: isHeld,
                adopt: index == 0 ? adopt : nil,
                cleanUp: index == 0 ? cleanUp : nil
            )
        }
        for socket in sockets { share?.add(socket.claim) }
        return Listener.make(sockets, endpoint: endpoint, in: context)
    }

    private func take() -> [Int32]? {
        descriptors.withLock { descriptors in
            defer { descriptors = nil }
            return descriptors
        }
    }
}

extension EndpointContext {
    /// Sockets to use in place of new ones.
    package var inherited: InheritedSockets? { request.values[InheritedSockets.self] }

    /// The same, in which the next endpoint that listens uses these sockets.
    package func inheriting(_ sockets: InheritedSockets) -> EndpointContext {
        var context = self
        context.request.values[InheritedSockets.self] = sockets
        return context
    }
}

extension Listener {
    /// Copies of its listening sockets, for another process to accept from; the caller closes them.
    ///
    /// From now on whoever holds the sockets shares their queue: the listener leaves what waits there,
    /// and a UNIX socket's path, when it is closed or drained. It accepts until then.
    ///
    /// - Throws: ``EndpointError``: `closed`; `invalidArgument` if it listens on something else; an
    ///   error of the system, and then nothing is shared.
    public func shareSockets() throws -> [Int32] { try copySockets(for: share) }

    /// Ends what ``shareSockets()`` began: no process that got the copies holds them any more.
    ///
    /// Sockets that others hold for another reason, such as systemd, stay shared. If the listener was
    /// closed meanwhile, what it had left is removed now.
    public func unshareSockets() {
        share.end()
        share = SocketShare()
    }

    /// Copies of its listening sockets, which another process holds until `share` ends.
    ///
    /// - Throws: ``EndpointError``, and then nothing is shared.
    package func copySockets(for share: SocketShare) throws -> [Int32] {
        func refused(_ code: EndpointError.Code, _ reason: String) -> EndpointError {
            EndpointError(code, operation: "share", endpoint: origin.endpoint, reason: reason)
        }
        guard phase == .listening else { throw refused(.closed, "the listener is closed") }
        let sockets = sources.compactMap { ($0 as? SocketSource)?.socket }
        guard sockets.count == sources.count, !sockets.isEmpty else {
            throw refused(.invalidArgument, "the listener has no sockets")
        }
        var copies: [Int32] = []
        for socket in sockets {
            let copy = endpoints_duplicate(socket.descriptor.rawValue)
            guard copy >= 0 else {
                for copy in copies { _ = endpoints_close(copy) }
                throw EndpointError(errno: copy, operation: "share", endpoint: origin.endpoint)
            }
            copies.append(copy)
        }
        for socket in sockets { share.add(socket.claim) }
        return copies
    }
}
