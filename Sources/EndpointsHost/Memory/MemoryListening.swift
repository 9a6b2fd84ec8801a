// The names of this process, and who listens by them. A client makes both ends and puts the server's
// into the listener's queue: connecting never waits unless the queue is full.
//
// A name belongs to its listener object: closing an old one must not take the name from a new one.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// One name that is listened on, and the connections that wait to be accepted.
final class MemoryListening: Sendable {
    private struct State {
        var queue: [MemoryTransport] = []
        var isClosed = false
        /// The listener has found nothing, and wants to be told.
        var isWaiting = false
        var wake: (@Sendable () -> Void)?
    }
    /// What became of a transport that was offered.
    enum Offer { case taken, full, closed }

    private static let names = Lock([String: MemoryListening]())
    private let name: String
    private let backlog: Int
    private let state = Lock(State())

    private init(_ name: String, backlog: Int) {
        self.name = name
        self.backlog = max(backlog, 1)
    }

    /// Takes a name; `nil` if it is taken.
    static func begin(_ name: String, backlog: Int) -> MemoryListening? {
        names.withLock { names in
            guard names[name] == nil else { return nil }
            let listening = MemoryListening(name, backlog: backlog)
            names[name] = listening
            return listening
        }
    }

    static func find(_ name: String) -> MemoryListening? {
        names.withLock { $0[name] }
    }

    /// Puts the server's end of a connection into the queue.
    func offer(_ transport: MemoryTransport) -> Offer {
        let (offer, wake) = state.withLock { state -> (Offer, (@Sendable () -> Void)?) in
            if state.isClosed { return (.closed, nil) }
            if state.queue.count >= backlog { return (.full, nil) }
            state.queue.append(transport)
            guard state.isWaiting, let wake = state.wake else { return (.taken, nil) }
            state.isWaiting = false
            return (.taken, wake)
        }
        wake?()
        return offer
    }

    /// Takes the next end from the queue; if there is none, `wake` is called when there is.
    func next() -> MemoryTransport? {
        state.withLock { state in
            if !state.queue.isEmpty { return state.queue.removeFirst() }
            state.isWaiting = true
            return nil
        }
    }

    /// Says what to do when somebody has come.
    func setWake(_ wake: @escaping @Sendable () -> Void) {
        let hasCome = state.withLock { state in
            state.wake = wake
            defer { if !state.queue.isEmpty { state.isWaiting = false } }
            return !state.queue.isEmpty
        }
        if hasCome { wake() }
    }

    /// Gives the name up; the connections that wait end.
    func close() {
        Self.names.withLock { names in
            if names[name] === self { names[name] = nil }
        }
        // Dropped outside the lock: an end that goes tells the other one.
        let dropped = state.withLock { state in
            state.isClosed = true
            state.wake = nil
            defer { state.queue = [] }
            return state.queue
        }
        _ = dropped
    }
}

/// A name as a source of connections.
// Unchecked: used on the listener's loop only; what it shares with clients is locked.
final class MemorySource: ConnectionSource, @unchecked Sendable {
    private let listening: MemoryListening
    private let name: String
    private var isRegistered = false
    let address: SocketAddress
    let queue = AcceptQueue()

    init(_ listening: MemoryListening, name: String) {
        self.listening = listening
        self.name = name
        address = .memory(name)
    }

    deinit { listening.close() }

    var client: (any ClientEndpoint)? { MemoryClientEndpoint(name: name) }

    func register(for listener: Listener) -> Int32 {
        guard !isRegistered else { return 0 }
        isRegistered = true
        queue.listener = listener
        listening.setWake { [weak self, loop = listener.loop] in
            loop.runOutsideJob { [weak self] in self?.queue.becomeReadable() }
        }
        return 0
    }

    func next() -> Accepted {
        guard let transport = listening.next() else {
            queue.mayHaveMore = false
            return .wouldBlock
        }
        let facts = ConnectionFacts(localAddress: address, remoteAddress: address)
        return .connection(transport, facts)
    }

    func close(on loop: EventLoop) { listening.close() }
}

extension SocketAddress {
    /// What the address of an endpoint in memory prints as.
    static func memory(_ name: String) -> SocketAddress {
        SocketAddress(named: "memory:\(quoted(name))")
    }
}
