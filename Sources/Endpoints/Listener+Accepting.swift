// Accepting, on demand: a system call is made when somebody waits for a connection.
//
// The sockets are edge-triggered and remember that they are readable until accept(2) says EAGAIN, so
// a pause or a suspension loses nothing, and nothing spins meanwhile.

import CEndpoints
import EventLoop

/// A listening socket on its loop.
final class AcceptingSocket: EventSource {
    // Safe, all of these: touched on the loop's thread only.
    nonisolated(unsafe) private(set) var socket: ListeningSocket?
    nonisolated(unsafe) var isReadable = true
    nonisolated(unsafe) private var isRegistered = false
    nonisolated(unsafe) private weak var listener: Listener?
    let address: SocketAddress
    let isUNIX: Bool
    let isUnspecified: Bool

    init(_ socket: ListeningSocket) {
        self.socket = socket
        address = socket.address
        isUNIX = socket.address.path != nil
        isUnspecified = socket.address.isUnspecified
    }

    var descriptor: Int32 { socket?.descriptor.rawValue ?? -1 }

    func register(on loop: EventLoop, for listener: Listener) -> Int32 {
        if isRegistered || socket == nil { return 0 }
        self.listener = listener
        let result = loop.register(descriptor, self)
        isRegistered = result == 0
        return result
    }

    nonisolated func ready(_ readiness: Readiness) {
        isReadable = true
        listener?.wakeAcceptors()
    }

    nonisolated func loopWillStop() {
        listener?.die(
            of: EndpointError(
                .closed,
                operation: "accept",
                endpoint: listener?.origin.endpoint,
                reason: "the event loop has been shut down"
            )
        )
    }

    func close(on loop: EventLoop) {
        if isRegistered { loop.deregister(descriptor, closing: true) }
        isRegistered = false
        socket = nil
    }
}

extension Listener {
    /// The next connection; `nil` when the listener is closed or the task is cancelled.
    nonisolated(nonsending) func accept() async -> Connection? {
        if let preparations { return await acceptPrepared(preparations) }
        if loop.isCurrent, !Task.isCancelled, let connection = acceptNow() { return connection }
        return await isolatedAccept()
    }

    private func isolatedAccept() async -> Connection? {
        while true {
            if Task.isCancelled { return nil }
            if let connection = acceptNow() { return connection }
            if phase != .listening { return nil }
            registerSockets()
            await waitToAccept()
        }
    }

    func waitToAccept() async {
        let gate = Gate(loop)
        waiters.append(gate)
        gate.close()
        await withTaskCancellationHandler {
            // By way of self, so that the closure is isolated and stays on the loop.
            if !Task.isCancelled { await self.pass(gate) }
        } onCancel: {
            loop.run { self.wake(gate) }
        }
        waiters.removeAll { $0 === gate }
    }

    private func pass(_ gate: Gate) async { await gate.pass() }

    nonisolated func wake(_ gate: Gate) {
        if let job = gate.open() { loop.append(job) }
    }

    func registerSockets() {
        for socket in sockets {
            let result = socket.register(on: loop, for: self)
            if result != 0 {
                die(
                    of: EndpointError(errno: result, operation: "listen", endpoint: origin.endpoint)
                )
            }
        }
    }

    /// Takes a connection from the kernel, if there is one and nothing forbids it.
    ///
    /// On the loop.
    nonisolated func acceptNow() -> Connection? {
        if phase == .closed || isSuspended || pause.isPausing { return nil }
        for socket in sockets where socket.isReadable {
            if let connection = accept(on: socket) { return connection }
            if pause.isPausing { return nil }
        }
        if phase == .draining { finishDraining() }
        return nil
    }

    private nonisolated func accept(on socket: AcceptingSocket) -> Connection? {
        while phase != .closed {
            var peer = KernelAddress()
            let result = endpoints_accept(socket.descriptor, &peer.storage, &peer.length)
            if result >= 0 {
                noteSuccess()
                return makeConnection(OwnedDescriptor(result), from: peer, on: socket)
            }
            switch AcceptFailure(errno: -result) {
            case .wouldBlock:
                socket.isReadable = false
                return nil
            case .connectionLost: continue
            case .exhausted:
                beginPause(-result)
                return nil
            case .fatal:
                die(
                    of: EndpointError(errno: result, operation: "accept", endpoint: origin.endpoint)
                )
            }
        }
        return nil
    }

    private nonisolated func makeConnection(
        _ descriptor: consuming OwnedDescriptor,
        from peer: KernelAddress,
        on socket: AcceptingSocket
    ) -> Connection {
        let remote = SocketAddress(peer) ?? SocketAddress(path: "")
        let local =
            socket.isUnspecified
            ? SocketAddress(localOf: descriptor.rawValue) : socket.address
        let facts = ConnectionFacts(
            localAddress: local,
            remoteAddress: remote,
            peerCredentials: socket.isUNIX ? PeerCredentials(of: descriptor.rawValue) : nil
        )
        turn = turn + 1 >= loops.count ? 0 : turn + 1
        if preparations == nil { watchers.send(.accepted(remote)) }
        return Connection.make(descriptor, facts: facts, origin: origin, on: loops[turn])
    }

    // MARK: exhaustion

    private nonisolated func beginPause(_ code: Int32) {
        let (delay, isFirst) = pause.begin()
        pauseTimer = loop.schedule(at: loop.now &+ delay) { [weak self] in self?.endPause() }
        guard isFirst else { return }
        let error = EndpointError(errno: code, operation: "accept", endpoint: origin.endpoint)
        watchers.send(.paused(error))
        origin.logger.warning(
            "accept paused",
            metadata: ["endpoint": "\(origin.endpoint)", "error": "\(error)"]
        )
    }

    /// Tries again: the time is over, or a descriptor was given back.
    nonisolated func endPause() {
        guard pause.isPausing else { return }
        if let timer = pauseTimer { loop.cancel(timer) }
        pauseTimer = nil
        pause.end()
        wakeAcceptors()
    }

    private nonisolated func noteSuccess() {
        guard pause.succeed() else { return }
        watchers.send(.resumed)
        origin.logger.info("accept resumed", metadata: ["endpoint": "\(origin.endpoint)"])
    }
}
