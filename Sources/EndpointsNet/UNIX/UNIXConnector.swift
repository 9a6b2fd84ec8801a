// A UNIX socket connects at once or not at all. When the listener's backlog is full the kernel says
// EAGAIN, and no event will ever come of it: epoll shows the socket as writable and hung up. So the
// attempt is repeated, more slowly each time, until there is room or the time is over.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// Connects to UNIX sockets.
enum UNIXConnector {
    private static let firstDelay = Duration.milliseconds(1)
    private static let longestDelay = Duration.milliseconds(100)

    /// Connects to the socket at a path, or to the abstract name `@…`.
    ///
    /// Cancellation: the socket is closed before it throws.
    ///
    /// With `checkPID` it connects only if the lock file `<path>.lock` names a process that runs.
    /// `timeout` is how long to wait for room in the listener's backlog; `nil` is no limit. Throws
    /// ``EndpointError``, or `CancellationError`.
    static func connect(
        path: String,
        checkPID: Bool = false,
        timeout: Duration? = nil,
        endpoint: String,
        in context: EndpointContext
    ) async throws -> Connection {
        try context.checkBegin("connect", endpoint)
        let loop = context.nextLoop()
        let begin = ContinuousClock.now
        let descriptor: OwnedDescriptor
        do {
            descriptor = try await open(
                path: path,
                checkPID: checkPID,
                timeout: timeout,
                endpoint: endpoint,
                on: loop
            )
        } catch {
            let outcome = (error as? EndpointError).map { ConnectTrace.Attempt.Outcome.failed($0) }
            context.trace?.tried(SocketAddress(path: path), outcome ?? .givenUp, since: begin)
            throw error
        }
        context.trace?.tried(SocketAddress(path: path), .connected, since: begin)
        var timeline = ConnectionTimeline()
        timeline.connect = ConnectionTimeline.Phase(start: begin, duration: .now - begin)
        let facts = ConnectionFacts(
            localAddress: SocketAddress(localOf: descriptor.rawValue),
            remoteAddress: SocketAddress(path: path),
            timeline: timeline,
            peerCredentials: PeerCredentials(of: descriptor.rawValue)
        )
        let origin = ConnectionOrigin(endpoint: endpoint, in: context)
        return Connection.make(descriptor, facts: facts, origin: origin, on: loop)
    }

    /// What `connect` does, up to the connected socket.
    static func open(
        path: String,
        checkPID: Bool,
        timeout: Duration?,
        endpoint: String,
        on loop: EventLoop
    ) async throws -> OwnedDescriptor {
        try Task.checkCancellation()
        let address = SocketAddress(path: path)
        if checkPID && !address.isAbstract {
            let lock = UNIXLockFile(forSocket: path)
            guard lock.isHeld() else {
                throw EndpointError(
                    .connectionRefused,
                    operation: "connect",
                    endpoint: endpoint,
                    reason: "no running process holds the lock file \(lock.path)"
                )
            }
        }
        let begin = ContinuousClock.now
        var delay = firstDelay
        while true {
            if let descriptor = try connectOnce(to: address, endpoint: endpoint) {
                return descriptor
            }
            if let timeout {
                let left = timeout - (.now - begin)
                guard left > .zero else { throw timedOut(after: timeout, endpoint) }
                delay = min(delay, left)
            }
            try await loop.sleep(for: delay, connecting: endpoint)
            delay = min(delay * 2, longestDelay)
        }
    }

    /// - Returns: `nil` if the backlog is full.
    private static func connectOnce(
        to address: SocketAddress,
        endpoint: String
    ) throws -> OwnedDescriptor? {
        var target = try address.kernelAddress(operation: "connect", endpoint: endpoint)
        let made = endpoints_socket(AF_UNIX, ENDPOINTS_STREAM, 0)
        guard made >= 0 else {
            throw EndpointError(errno: made, operation: "connect", endpoint: endpoint)
        }
        let descriptor = OwnedDescriptor(made)
        var result = endpoints_connect(made, &target.storage, target.length)
        while result == -EINTR {
            result = endpoints_connect(made, &target.storage, target.length)
        }
        switch result {
        case 0: return descriptor
        case -EAGAIN: return nil
        default:
            throw EndpointError(
                errno: result,
                operation: "connect",
                endpoint: endpoint,
                advice: result == -ECONNREFUSED && !address.isAbstract
                    ? "the file exists and nobody listens on it" : nil,
                phase: .connect
            )
        }
    }

    private static func timedOut(after timeout: Duration, _ endpoint: String) -> EndpointError {
        EndpointError(
            .timedOut,
            operation: "connect",
            endpoint: endpoint,
            reason: "timed out after \(timeout.inSeconds) waiting for room in the server's backlog",
            phase: .connect
        )
    }
}
