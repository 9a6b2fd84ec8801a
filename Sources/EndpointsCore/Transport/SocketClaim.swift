// A listening socket that several processes hold has one path and one queue. Whoever stops listening
// last removes the path and empties the queue; whoever stops earlier must leave both alone. The hard
// part is that others come and go while we listen, and also after we have stopped: a restart that
// fails gives the socket back to us alone, even if it was closed meanwhile.

import EventLoop

/// Who else holds a listening socket, and what the last holder must undo.
final class SocketClaim: Sendable {
    private struct State {
        var others: Int
        var isOpen = true
    }
    private let state: Lock<State>
    /// Takes charge of what other holders have used, such as a lock file.
    private let adopt: (@Sendable () -> Void)?
    /// Removes what listening has left in the file system.
    private let cleanUp: (@Sendable () -> Void)?

    init(
        isShared: Bool,
        adopt: (@Sendable () -> Void)?,
        cleanUp: (@Sendable () -> Void)?
    ) {
        state = Lock(State(others: isShared ? 1 : 0))
        self.adopt = adopt
        self.cleanUp = cleanUp
    }

    /// Whether others hold the socket too, and will take what waits in its queue.
    var isShared: Bool { state.withLock { $0.others > 0 } }

    /// Ends our own part: the socket is about to be closed.
    func close() {
        let isLast = state.withLock { state in
            defer { state.isOpen = false }
            return state.isOpen && state.others == 0
        }
        if isLast { cleanUp?() }
    }

    fileprivate func share() { state.withLock { $0.others += 1 } }

    fileprivate func unshare() {
        let (isLast, isOpen) = state.withLock { state in
            state.others -= 1
            return (state.others == 0, state.isOpen)
        }
        guard isLast else { return }
        adopt?()
        if !isOpen { cleanUp?() }
    }
}

/// One other process's hold on listening sockets, from its beginning to its end.
///
/// A share that is dropped without ``end()`` lasts for ever.
package final class SocketShare: Sendable {
    /// `nil` once it has ended.
    private let claims = Lock<[SocketClaim]?>([])

    package init() {}

    /// The other process holds this socket, too; nothing if the share has ended.
    func add(_ claim: SocketClaim) {
        claims.withLock { claims in
            guard claims != nil else { return }
            claim.share()
            claims?.append(claim)
        }
    }

    /// The other process holds the sockets no more.
    ///
    /// A second call does nothing.
    package func end() {
        let ended = claims.withLock { claims in
            defer { claims = nil }
            return claims ?? []
        }
        for claim in ended { claim.unshare() }
    }
}
