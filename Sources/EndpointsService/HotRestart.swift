// A new process takes over the listening sockets, and no connection is refused, because the sockets
// are open all the time: what the old process does not accept waits in their queues for the new one.
//
//   old: start the new one, with copies of the sockets as descriptors from 3 on (LISTEN_FDS) …
//   new: listen on what was inherited by the name, and say so (a byte in a pipe)
//   old: … hear that, accept no more, let the connections end, exit
//
// The old one goes on as before if the new one ends first, or says nothing in time. The names and
// numbers are those of sd_listen_fds(3): so a socket from systemd, or out of its descriptor store, is
// taken in the same way.
//
// Close-on-exec stays set on every descriptor of the old process; the copies lose it in the child,
// after the fork, so that no other child of the process can inherit one.

import CEndpoints
import Endpoints
import EventLoop

/// Hands the listening sockets of this process to the one that comes after it.
///
/// ```swift
/// let restart = HotRestart()
/// let service = ListenerService(restart.endpoint(try serverFromString("tcp:8080"), name: "web")) { … }
/// // when it listens:
/// restart.ready()
/// // to restart:
/// let successor = try await restart.startSuccessor()
/// try await SystemdNotifier().mainProcess(successor)  // where systemd runs it
/// await group.triggerGracefulShutdown()
/// ```
///
/// The first process binds; each one after it finds the sockets by their names.
public final class HotRestart: Sendable {
    /// Whether this process was started by ``startSuccessor(_:arguments:within:)`` of another.
    public static let isSuccessor: Bool = Predecessor.exists

    private struct Held {
        var name: String
        /// Whether systemd holds its sockets while this process runs.
        var isHeld: Bool
        weak var listener: Listener?
    }
    /// A listener's sockets, as the other process gets them.
    private struct Shared {
        var name: String
        var isHeld: Bool
        var copies: [Int32]
        var share: SocketShare

        func closeCopies() { for copy in copies { _ = endpoints_close(copy) } }
    }
    private let held = Lock<[Held]>([])
    private let executable: String

    /// Makes one for this process.
    public init() {
        _ = Self.isSuccessor
        executable = Self.path(ofLink: "/proc/self/exe") ?? CommandLine.arguments.first ?? ""
    }

    // MARK: listening

    /// The same endpoint, whose sockets go on in the next process.
    ///
    /// It listens on the sockets of that name with which the process was started, or else makes them.
    /// The endpoint may be a wrapper, such as `tls:` or `haproxy:`; what listens in the end must be a
    /// TCP or UNIX socket.
    ///
    /// - Parameters:
    ///   - endpoint: Where to listen.
    ///   - name: The sockets' name: up to 255 printable ASCII characters, no colon; one for each
    ///     endpoint.
    /// - Returns: The endpoint.
    public func endpoint(_ endpoint: some ServerEndpoint, name: String) -> some ServerEndpoint {
        RestartableEndpoint(inner: endpoint, name: name, restart: self)
    }

    fileprivate func listen(
        at endpoint: some ServerEndpoint,
        name: String,
        in context: EndpointContext
    ) async throws -> Listener {
        guard SystemdNotifier.isName(name) else {
            throw EndpointError(
                .invalidArgument,
                operation: "listen",
                endpoint: endpoint.redacted,
                reason: "\"\(name)\" is no name of a descriptor",
                advice: "it has 1 to 255 printable ASCII characters and no colon"
            )
        }
        // Without a predecessor they are systemd's.
        let isHeld = !Self.isSuccessor || Predecessor.heldNames.contains(name)
        let inherited = try InheritedSockets.ofProcess(
            name: name,
            isHeld: isHeld,
            share: Self.isSuccessor ? Predecessor.share : nil
        )
        guard let inherited else {
            let listener = try await endpoint.listen(in: context)
            hold(listener, name, isHeld: false)
            return listener
        }
        let listener = try await endpoint.listen(in: context.inheriting(inherited))
        if inherited.isUnused {
            await listener.close()
            throw EndpointError(
                .invalidArgument,
                operation: "listen",
                endpoint: endpoint.redacted,
                reason: "it cannot use the socket \"\(name)\" that the process was started with"
            )
        }
        hold(listener, name, isHeld: isHeld)
        return listener
    }

    private func hold(_ listener: Listener, _ name: String, isHeld: Bool) {
        held.withLock { held in
            held.removeAll { $0.listener == nil }
            held.append(Held(name: name, isHeld: isHeld, listener: listener))
        }
    }

    /// The sockets of all listeners that are open; if it throws, none is shared.
    private func share() async throws -> [Shared] {
        var shared: [Shared] = []
        for held in held.withLock({ $0 }) {
            guard let listener = held.listener else { continue }
            let share = SocketShare()
            do {
                let copies = try await listener.copySockets(for: share)
                shared.append(
                    Shared(name: held.name, isHeld: held.isHeld, copies: copies, share: share)
                )
            } catch let error as EndpointError where error.code == .closed {
                continue
            } catch {
                for entry in shared {
                    entry.closeCopies()
                    entry.share.end()
                }
                throw error
            }
        }
        return shared
    }

    // MARK: systemd's store

    /// Has systemd keep the sockets, and start the next process with them.
    ///
    /// The unit needs `FileDescriptorStoreMax=`. From then on the queues of the sockets outlive the
    /// process: `systemctl restart` refuses no connection.
    ///
    /// Cancellation: some of the sockets may have been stored, and stay so.
    ///
    /// - Parameter notifier: Whom to tell.
    /// - Throws: ``EndpointError``, or `CancellationError`.
    public func store(in notifier: SystemdNotifier) async throws {
        guard notifier.isActive else { return }
        let shared = try await share()
        defer { for entry in shared { entry.closeCopies() } }
        for (index, entry) in shared.enumerated() {
            do { try await notifier.store(entry.copies, name: entry.name) } catch {
                for entry in shared[index...] { entry.share.end() }
                throw error
            }
            held.withLock { held in
                for index in held.indices where held[index].name == entry.name {
                    held[index].isHeld = true
                }
            }
        }
    }

    // MARK: the successor's side

    /// Tells the predecessor, if there is one, that this process listens; it goes then.
    ///
    /// A second call does nothing. A predecessor that is gone already is no error.
    public func ready() { Predecessor.letGo() }

    private static func path(ofLink link: String) -> String? {
        var bytes = [CChar](repeating: 0, count: 4096)
        let count = readlink(link, &bytes, bytes.count)
        guard count > 0 else { return nil }
        return String(decoding: bytes[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    // MARK: the predecessor's side

    /// Starts the process that takes over, and returns when it says that it listens (``ready()``).
    ///
    /// Both accept then, until this one's listeners are closed or drained; what waits in the queues
    /// is the successor's. If the successor ends or says nothing in time, all is as before.
    ///
    /// It inherits standard input, output and error, the environment, and the process group, and is a
    /// child of this process until that ends.
    ///
    /// Cancellation: ends the successor.
    ///
    /// - Parameters:
    ///   - program: The path of the program; that of this process unless told, which may be another
    ///     file by now.
    ///   - arguments: Its arguments, after the name; those of this process unless told.
    ///   - timeout: How long it may take to listen; 30 s unless told.
    /// - Returns: The successor's number, for ``SystemdNotifier/mainProcess(_:)``.
    /// - Throws: ``EndpointError``: of the system, if the program cannot be run; `unavailable` if it
    ///   ended first; `timedOut`; or `CancellationError`.
    @discardableResult
    public func startSuccessor(
        _ program: String? = nil,
        arguments: [String]? = nil,
        within timeout: Duration = .seconds(30)
    ) async throws -> Int32 {
        let program = program ?? executable
        let shared = try await share()
        var ends: [Int32] = [-1, -1]
        let made = endpoints_pipe(&ends)
        let ownEnd = SuccessorPipe(ends[0])
        var process: Int32 = made
        if made == 0 {
            process = Successor(
                program: program,
                arguments: arguments ?? Array(CommandLine.arguments.dropFirst()),
                sockets: shared.flatMap { entry in entry.copies.map { (entry.name, $0) } },
                readyPipe: ends[1],
                variable: Predecessor.readyVariable,
                heldNames: shared.filter(\.isHeld).map(\.name),
                heldNamesVariable: Predecessor.heldNamesVariable
            ).start()
            _ = endpoints_close(ends[1])
        }
        for entry in shared { entry.closeCopies() }
        do {
            guard process > 0 else {
                throw EndpointError(errno: process, operation: "start", endpoint: program)
            }
            try await waitUntilReady(ownEnd, program, within: timeout)
            return process
        } catch {
            if process > 0 { end(process) }
            for entry in shared { entry.share.end() }
            throw error
        }
    }

    private func waitUntilReady(
        _ pipe: SuccessorPipe,
        _ program: String,
        within timeout: Duration
    ) async throws {
        do {
            try await withTimeout(timeout) {
                guard try await pipe.waitForByte() else {
                    throw EndpointError(
                        .unavailable,
                        operation: "start",
                        endpoint: program,
                        reason: "it ended before it was ready"
                    )
                }
            }
        } catch let error as TimeoutError {
            throw EndpointError(
                .timedOut,
                operation: "start",
                endpoint: program,
                reason: "not ready after \(error.duration)"
            )
        }
    }

    /// Ends a successor that is of no use.
    private func end(_ process: Int32) {
        _ = kill(process, SIGKILL)
        var code: Int32 = 0
        var signal: Int32 = 0
        _ = endpoints_reap(process, 1, &code, &signal)
    }
}

private struct RestartableEndpoint: ServerEndpointWrapper {
    var inner: any ServerEndpoint
    let name: String
    let restart: HotRestart

    var description: String { inner.description }
    var redacted: String { inner.redacted }

    func listen(in context: EndpointContext) async throws -> Listener {
        try await restart.listen(at: inner, name: name, in: context)
    }
}
