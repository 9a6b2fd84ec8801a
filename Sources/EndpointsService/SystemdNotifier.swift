// Telling systemd how we are: sd_notify(3), spoken directly, since the protocol is a datagram of
// `NAME=value` lines to the socket that NOTIFY_SOCKET names, and a library for that is a dependency.
//
// Hard part: the datagram must not be lost, and must not block a thread. The socket is connected, so
// that epoll(7) tells when the receiver has room again; without a peer a datagram socket is always
// writable. Each message opens a socket of its own, as sd_notify does: messages are rare, and a
// restarted systemd would leave a kept one dead.

import CEndpoints
import Endpoints
import EventLoop

/// Tells systemd about the process: ready, stopping, reloading, alive, and which descriptors to keep.
///
/// Does nothing where there is no systemd to tell, that is without `NOTIFY_SOCKET`. The protocol is
/// that of sd_notify(3); the unit needs `Type=notify`, or `notify-reload`.
///
/// Cancellation of any of its methods: the message is sent or not, and nothing remains.
public struct SystemdNotifier: Sendable {
    /// The socket to tell: a path, or an abstract name that begins with `@`; `nil` for nobody.
    public let socket: String?
    /// How long systemd waits for a ``watchdog()`` before it takes the process for dead; `nil` if it
    /// does not.
    public let watchdogTimeout: Duration?

    /// Makes a notifier of what systemd has put into the environment: `NOTIFY_SOCKET`,
    /// `WATCHDOG_USEC`, and `WATCHDOG_PID`, which must be ours.
    public init() {
        self.init(environment: Self.environment(of:), process: getpid())
    }

    /// Makes a notifier for a socket of one's choice.
    ///
    /// - Parameters:
    ///   - socket: A path, or an abstract name that begins with `@`; `nil` for nobody.
    ///   - watchdogTimeout: How long the receiver waits for a ``watchdog()``.
    public init(socket: String?, watchdogTimeout: Duration? = nil) {
        self.socket = socket
        self.watchdogTimeout = watchdogTimeout
    }

    init(environment: (String) -> String?, process: Int32) {
        let socket = environment("NOTIFY_SOCKET").flatMap { $0.isEmpty ? nil : $0 }
        // sd_watchdog_enabled(3): without WATCHDOG_PID it is for whoever reads it.
        let isOurs = environment("WATCHDOG_PID").map { Int32($0) == process } ?? true
        let limit = environment("WATCHDOG_USEC").flatMap { UInt64($0) }
        // The highest number is systemd's infinity.
        let isLimit = limit.map { $0 > 0 && $0 < .max } ?? false
        self.init(
            socket: socket,
            watchdogTimeout: isOurs && isLimit ? limit.map { .microseconds($0) } : nil
        )
    }

    private static func environment(of name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// Whether there is somebody to tell.
    public var isActive: Bool { socket != nil }

    // MARK: messages

    /// Tells that the process has started, or has reloaded: `READY=1`.
    ///
    /// - Parameter status: A line for `systemctl status`; none unless told.
    /// - Throws: ``EndpointError``, or `CancellationError`.
    public func ready(status: String? = nil) async throws {
        try await send(["READY=1"] + line(status))
    }

    /// Tells that the process is about to end: `STOPPING=1`.
    ///
    /// - Parameter status: A line for `systemctl status`; none unless told.
    /// - Throws: ``EndpointError``, or `CancellationError`.
    public func stopping(status: String? = nil) async throws {
        try await send(["STOPPING=1"] + line(status))
    }

    /// Tells that the process reloads, from now until ``ready(status:)``: `RELOADING=1`.
    ///
    /// The time goes with it (`MONOTONIC_USEC`), as `Type=notify-reload` asks.
    ///
    /// - Parameter status: A line for `systemctl status`; none unless told.
    /// - Throws: ``EndpointError``, or `CancellationError`.
    public func reloading(status: String? = nil) async throws {
        let time = "MONOTONIC_USEC=\(endpoints_now() / 1000)"
        try await send(["RELOADING=1", time] + line(status))
    }

    /// Sets the line that `systemctl status` shows: `STATUS=…`.
    ///
    /// - Parameter text: The line; a space replaces each control character.
    /// - Throws: ``EndpointError``, or `CancellationError`.
    public func status(_ text: String) async throws { try await send(line(text)) }

    /// Tells that the process is alive: `WATCHDOG=1`.
    ///
    /// - Throws: ``EndpointError``, or `CancellationError`.
    public func watchdog() async throws { try await send(["WATCHDOG=1"]) }

    /// Tells that another process is the service's main one from now on: `MAINPID=…`.
    ///
    /// For a hot restart. The unit needs `NotifyAccess=all`, so that the successor is heard, too. From
    /// then on a ``SystemdService`` of this process says nothing more: `STOPPING=1`, from whichever
    /// process, would have systemd stop the successor as well.
    ///
    /// - Parameter process: Its number.
    /// - Throws: ``EndpointError``, or `CancellationError`.
    public func mainProcess(_ process: Int32) async throws {
        guard let socket else { return }
        try await send(["MAINPID=\(process)"])
        Self.succeeded.withLock { sockets in
            if process == getpid() { sockets.remove(socket) } else { sockets.insert(socket) }
        }
    }

    /// Whether systemd, by what it was told by this process, looks at this process for the service.
    var isMainProcess: Bool {
        !Self.succeeded.withLock { sockets in socket.map(sockets.contains) ?? false }
    }

    /// The sockets by which another process was named the main one: the process's own, since the
    /// notifiers are values, made where they are needed.
    private static let succeeded = Lock<Set<String>>([])

    /// Has systemd keep copies of descriptors, and pass them to the next process: `FDSTORE=1`.
    ///
    /// The next process gets them as it gets sockets (sd_listen_fds(3)), by this name. The unit needs
    /// `FileDescriptorStoreMax=`. The caller's descriptors stay the caller's.
    ///
    /// - Parameters:
    ///   - descriptors: 1 to 253 of them (SCM_RIGHTS of unix(7)).
    ///   - name: How the next process finds them: up to 255 printable ASCII characters, no colon.
    /// - Throws: ``EndpointError``, with code `invalidArgument` for a wrong number or name; or
    ///   `CancellationError`.
    public func store(_ descriptors: [Int32], name: String) async throws {
        guard (1...Self.mostDescriptors).contains(descriptors.count) else {
            throw refused("\(descriptors.count) descriptors; it takes 1 to \(Self.mostDescriptors)")
        }
        try await send(["FDSTORE=1", "FDNAME=\(checked(name))"], descriptors)
    }

    /// Has systemd drop the descriptors that it keeps by this name: `FDSTOREREMOVE=1`.
    ///
    /// - Parameter name: The name that they were stored by.
    /// - Throws: ``EndpointError``, with code `invalidArgument` for a wrong name; or
    ///   `CancellationError`.
    public func removeStored(name: String) async throws {
        try await send(["FDSTOREREMOVE=1", "FDNAME=\(checked(name))"])
    }

    private static let mostDescriptors = 253

    private func line(_ status: String?) -> [String] {
        guard let status else { return [] }
        let text = String(
            String.UnicodeScalarView(
                status.unicodeScalars.map { $0.isControl ? " " : $0 }
            )
        )
        return ["STATUS=\(text)"]
    }

    private func checked(_ name: String) throws -> String {
        guard Self.isName(name) else {
            throw refused("a name has 1 to 255 printable ASCII characters and no colon")
        }
        return name
    }

    /// Whether a descriptor may have this name (sd_notify(3), FDNAME).
    static func isName(_ name: String) -> Bool {
        let isFine = name.utf8.allSatisfy { (33...126).contains($0) && $0 != UInt8(ascii: ":") }
        return isFine && (1...255).contains(name.utf8.count)
    }

    private func refused(_ reason: String) -> EndpointError {
        EndpointError(
            .invalidArgument,
            operation: "notify",
            endpoint: socket.map { "\"\($0)\"" },
            reason: reason
        )
    }

    // MARK: sending

    private func send(_ lines: [String], _ descriptors: [Int32] = []) async throws {
        guard let socket else { return }
        try Task.checkCancellation()
        let descriptor = endpoints_socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        if descriptor < 0 { throw failure(descriptor) }
        defer { _ = endpoints_close(descriptor) }
        let address = SocketAddress(path: socket)
        var kernel = try address.kernelAddress(operation: "notify", endpoint: "\"\(socket)\"")
        let connected = endpoints_connect(descriptor, &kernel.storage, kernel.length)
        if connected < 0 { throw failure(connected) }
        let message = Array(lines.joined(separator: "\n").utf8)
        while true {
            let sent = endpoints_send_descriptors(
                descriptor,
                message,
                message.count,
                descriptors,
                Int32(descriptors.count)
            )
            if sent >= 0 { return }
            guard sent == -Int(EAGAIN) else { throw failure(Int32(sent)) }
            // The receiver's queue is full; epoll tells at once if that has changed meanwhile.
            let loop = EventLoop.current ?? EventLoopGroup.shared.next()
            _ = try await loop.nextEvent(of: descriptor)
        }
    }

    private func failure(_ result: Int32) -> EndpointError {
        EndpointError(errno: result, operation: "notify", endpoint: socket.map { "\"\($0)\"" })
    }
}
