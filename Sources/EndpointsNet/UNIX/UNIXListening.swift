// The order is what makes it safe:
//
//   turn       no other server of ours prepares a path in the same directory (DirectoryLock)
//   lock       nobody else serves the same path (UNIXLockFile)
//   clear      a socket on which nobody listens is removed; a live one, or any other file, never
//   bind       with mode 0600 at most: fchmod of the socket before bind masks the file's mode, too
//   remember   a descriptor of the file itself (UNIXSocketFile), which keeps its inode from being given
//              out again
//   chown      through that descriptor, so that it follows no link; nobody can connect yet
//   chmod      the same
//   listen
//
// What fails on the way is undone in the opposite order. At the end the path is removed only if it is
// still the file that was bound: somebody may have moved it away and put another there.
//
// A probe is a connect: a refusal means that nobody listens. The server that lives sees a connection
// that ends at once.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop
import Logging

/// Listens on UNIX sockets.
enum UNIXListening {
    /// Listens at a path, or at the abstract name `@…`, and returns when clients can connect.
    ///
    /// Cancellation: nothing that was bound remains.
    ///
    /// `mode`, `user` and `group` are what the rights of the file are, whatever the umask; `lockfile` says whether to hold
    /// `<path>.lock` meanwhile. An abstract name has neither. `backlog` connections may wait to be
    /// accepted; the kernel caps it. Throws ``EndpointError``, or `CancellationError`.
    package static func listen(
        path: String,
        mode: UInt16 = 0o666,
        user: String? = nil,
        group: String? = nil,
        backlog: Int = 4096,
        lockfile: Bool,
        endpoint: String,
        in context: EndpointContext
    ) async throws -> Listener {
        try context.checkBegin("listen", endpoint)
        if let inherited = context.inherited, inherited.isUnused {
            let (lock, file) = try inheritedPath(path, lockfile: lockfile, endpoint: endpoint)
            let listener = inherited.listener(endpoint: endpoint, in: context) {
                lock?.takeOver()
            } cleanUp: {
                file?.remove()
                lock?.release()
            }
            if let listener { return listener }
        }
        let bind = {
            try Self.bind(
                path: path,
                mode: mode,
                user: user,
                group: group,
                backlog: backlog,
                lockfile: lockfile,
                endpoint: endpoint,
                logger: context.logger
            )
        }
        let isAbstract = SocketAddress(path: path).isAbstract
        let socket =
            isAbstract
            ? try bind()
            : try await DirectoryLock.withLock(
                onDirectoryOf: path,
                waitingOn: EventLoop.current ?? context.loops.next(),
                bind
            )
        return Listener.make([socket], endpoint: endpoint, in: context)
    }

    /// Makes a socket that listens; its `cleanUp` removes path and lock.
    ///
    /// - Throws: ``EndpointError``.
    static func bind(
        path: String,
        mode: UInt16,
        user: String? = nil,
        group: String? = nil,
        backlog: Int,
        lockfile: Bool,
        endpoint: String,
        logger: Logger
    ) throws -> ListeningSocket {
        let access = UNIXAccess(mode: mode, user: user, group: group)
        let address = SocketAddress(path: path)
        var local = try address.kernelAddress(operation: "listen", endpoint: endpoint)
        if address.isAbstract {
            guard user == nil, group == nil else {
                throw EndpointError(
                    .invalidArgument,
                    operation: "listen",
                    endpoint: endpoint,
                    reason: "an abstract name has no file, so no user and no group"
                )
            }
            let descriptor = try makeSocket(endpoint)
            try check(endpoints_bind(descriptor.rawValue, &local.storage, local.length), endpoint)
            try check(
                endpoints_listen(descriptor.rawValue, Int32(clamping: max(0, backlog))),
                endpoint
            )
            return ListeningSocket(descriptor, address: address)
        }
        var lock: UNIXLockFile?
        if lockfile {
            let candidate = UNIXLockFile(forSocket: path)
            if let text = try candidate.acquire(endpoint: endpoint) {
                let isGarbage = Int32(text) == nil
                logger.log(
                    level: isGarbage ? .warning : .info,
                    "lock file left behind, removed",
                    metadata: ["endpoint": "\(endpoint)", "file": "\(candidate.path)"]
                )
            }
            lock = candidate
        }
        do {
            // Looked up before there is anything to undo.
            _ = try access.owners(endpoint: endpoint)
            try clear(address, path, endpoint)
            let descriptor = try makeSocket(endpoint)
            // Decided before the file exists; what the mode forbids is never allowed for a moment.
            try check(endpoints_fchmod(descriptor.rawValue, UInt32(mode & 0o600)), endpoint)
            try check(endpoints_bind(descriptor.rawValue, &local.storage, local.length), endpoint)
            let file = try UNIXSocketFile(
                boundBy: descriptor.rawValue,
                at: path,
                endpoint: endpoint
            )
            do {
                try file.set(access, endpoint: endpoint)
                try check(
                    endpoints_listen(descriptor.rawValue, Int32(clamping: max(0, backlog))),
                    endpoint
                )
            } catch {
                file.remove()
                throw error
            }
            return ListeningSocket(descriptor, address: address) { [lock] in
                lock?.takeOver()
            } cleanUp: { [lock] in
                file.remove()
                lock?.release()
            }
        } catch {
            lock?.release()
            throw error
        }
    }

    /// The path of a socket that another process has bound: what is to be taken over, and removed.
    private static func inheritedPath(
        _ path: String,
        lockfile: Bool,
        endpoint: String
    ) throws -> (UNIXLockFile?, UNIXSocketFile?) {
        if SocketAddress(path: path).isAbstract { return (nil, nil) }
        let file = try UNIXSocketFile(inheritedAt: path, endpoint: endpoint)
        return (lockfile ? UNIXLockFile(forSocket: path) : nil, file)
    }

    private static func makeSocket(_ endpoint: String) throws -> OwnedDescriptor {
        let made = endpoints_socket(AF_UNIX, ENDPOINTS_STREAM, 0)
        guard made >= 0 else {
            throw EndpointError(errno: made, operation: "listen", endpoint: endpoint)
        }
        return OwnedDescriptor(made)
    }

    private static func check(_ result: Int32, _ endpoint: String) throws {
        guard result != 0 else { return }
        let isDirectory = result == -ENOENT
        throw EndpointError(
            errno: result,
            operation: "listen",
            endpoint: endpoint,
            advice: isDirectory ? "the directory does not exist" : nil
        )
    }

    // MARK: what is there already

    /// Removes the socket that a dead server left.
    private static func clear(_ address: SocketAddress, _ path: String, _ endpoint: String) throws {
        func inUse(_ reason: String? = nil, _ advice: String? = nil) -> EndpointError {
            EndpointError(
                .addressInUse,
                operation: "listen",
                endpoint: endpoint,
                reason: reason,
                advice: advice,
                systemError: SystemError(errno: EADDRINUSE)
            )
        }
        var file = endpoints_file()
        guard endpoints_lstat(path, &file) == 0 else { return }
        guard endpoints_is_socket(file.mode) != 0 else {
            throw inUse("a file that is no socket is there")
        }
        let answer = try probe(address, endpoint)
        switch answer {
        case -ECONNREFUSED: break
        case -ENOENT: return
        case 0, -EAGAIN: throw inUse(nil, "a server is listening there")
        case -EACCES, -EPERM:
            throw inUse(nil, "there is a socket that this process may not connect to")
        default: throw inUse(nil, "there is a socket of another type")
        }
        var again = endpoints_file()
        guard endpoints_lstat(path, &again) == 0 else { return }
        guard again.inode == file.inode && again.device == file.device else {
            throw inUse(nil, "another server has just begun to listen there")
        }
        let result = endpoints_unlink(path)
        guard result == 0 || result == -ENOENT else {
            throw EndpointError(
                errno: result,
                operation: "listen",
                endpoint: endpoint,
                reason: "cannot remove the socket that a dead server left"
            )
        }
    }

    private static func probe(_ address: SocketAddress, _ endpoint: String) throws -> Int32 {
        let descriptor = try makeSocket(endpoint)
        var target = try address.kernelAddress(operation: "listen", endpoint: endpoint)
        return endpoints_connect(descriptor.rawValue, &target.storage, target.length)
    }
}
