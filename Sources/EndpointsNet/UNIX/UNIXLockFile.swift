// Who serves a path: a symbolic link `<path>.lock` whose text is a process's number, Twisted's form,
// so that both respect each other. Making the link is atomic, and that is all the locking there is;
// the hard part is to tell a lock that is held from one that was left behind.
//
//   the text is no number ............................ left behind
//   it is our own number ............................. held if this process made it, else left behind
//                                                      (in a container every server has number 1)
//   no such process, or a zombie ..................... left behind
//   the process began after the lock was made ........ left behind: the number was given out again
//   else (also when we may not signal the process) ... held
//
// The start of a process comes from /proc in clock ticks since boot and the time of the lock from the
// file system's clock: two seconds of doubt count for the holder. A clock that was set meanwhile can
// still mislead; therefore a lock alone never decides that a socket is dead (UNIXListening asks the
// socket, too).

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// The lock file of a UNIX socket.
struct UNIXLockFile: Sendable {
    enum State: Equatable {
        case free
        /// The process that holds it.
        case held(by: Int32)
        /// What its text is.
        case leftBehind(String)
    }

    /// The locks that this process holds.
    private static let ours = Lock<Set<String>>([])
    private static let doubt: Int64 = 2_000_000_000

    /// Absolute, so that it stays the same file when the process changes its directory.
    let path: String

    /// - Parameter socket: The path of the socket.
    init(forSocket socket: String) {
        path = absolutePath(socket) + ".lock"
    }

    /// Whether a process that runs holds it; reads only.
    func isHeld() -> Bool {
        if case .held = state() { true } else { false }
    }

    /// What the lock file says now.
    func state() -> State {
        var file = endpoints_file()
        guard endpoints_lstat(path, &file) == 0 else { return .free }
        guard let text = link() else {
            // Somebody else's file of that name, or gone in between.
            return endpoints_is_link(file.mode) == 0 ? .leftBehind("") : .free
        }
        guard let pid = Int32(text), pid > 0, String(pid) == text else {
            return .leftBehind(text)
        }
        if pid == getpid() {
            let isOurs = Self.ours.withLock { $0.contains(path) }
            return isOurs ? .held(by: pid) : .leftBehind(text)
        }
        guard endpoints_kill(pid, 0) != -ESRCH else { return .leftBehind(text) }
        if let process = ProcessStart(pid) {
            if process.isZombie { return .leftBehind(text) }
            // The time of a file is anyone's to set.
            let (latest, isNever) = file.changed.addingReportingOverflow(Self.doubt)
            if let start = process.time, !isNever, start > latest { return .leftBehind(text) }
        }
        return .held(by: pid)
    }

    /// Takes the lock, from whoever has left it behind, too.
    ///
    /// - Returns: The text of a lock that was left behind and is now removed; `nil` if there was none.
    /// - Throws: ``EndpointError`` with code `addressInUse` if it is held.
    func acquire(endpoint: String) throws -> String? {
        var removed: String?
        // Who loses a race for the link looks again; nobody wins it for ever.
        for _ in 0..<64 {
            switch try make(endpoint: endpoint) {
            case nil: return removed
            case .free?: continue
            case .held(let pid)?:
                throw EndpointError(
                    .addressInUse,
                    operation: "listen",
                    endpoint: endpoint,
                    reason: "process \(pid) holds the lock file \(path)"
                )
            case .leftBehind(let text)?:
                try remove(text, endpoint: endpoint)
                removed = text
            }
        }
        throw EndpointError(
            .addressInUse,
            operation: "listen",
            endpoint: endpoint,
            reason: "others take and leave the lock file \(path) all the time"
        )
    }

    /// - Returns: `nil` if the lock is ours now, else what stands in the way.
    private func make(endpoint: String) throws -> State? {
        // Ours before it exists: another listener of this process must not take it for left behind.
        let isFree = Self.ours.withLock { $0.insert(path).inserted }
        guard isFree else { return .held(by: getpid()) }
        let result = endpoints_symlink(String(getpid()), path)
        if result == 0 { return nil }
        Self.ours.withLock { _ = $0.remove(path) }
        if result == -EEXIST { return state() }
        throw EndpointError(
            errno: result,
            operation: "listen",
            endpoint: endpoint,
            reason: "cannot make the lock file \(path): \(SystemError(errno: -result).message)",
            advice: "lockfile=0 listens without one"
        )
    }

    private func remove(_ text: String, endpoint: String) throws {
        var file = endpoints_file()
        guard endpoints_lstat(path, &file) == 0 else { return }
        // Never what is no lock, and not a new one that took its place since.
        if endpoints_is_link(file.mode) == 0 {
            throw EndpointError(
                .addressInUse,
                operation: "listen",
                endpoint: endpoint,
                reason: "\(path) is there and is no lock file"
            )
        }
        guard link() == text else { return }
        let result = endpoints_unlink(path)
        guard result == 0 || result == -ENOENT else {
            throw EndpointError(
                errno: result,
                operation: "listen",
                endpoint: endpoint,
                reason: "cannot remove the lock file \(path) that was left behind"
            )
        }
    }

    /// Takes the lock from another process that held it for the same socket, without a moment in which
    /// nobody holds it.
    ///
    /// Does nothing if it is ours already.
    ///
    /// A lock that cannot be taken stays the other's, and is left behind when that ends: then the
    /// socket still says that somebody listens.
    func takeOver() {
        guard link() != String(getpid()) else { return }
        let ours = "\(path).\(getpid())"
        _ = endpoints_unlink(ours)
        guard endpoints_symlink(String(getpid()), ours) == 0 else { return }
        Self.ours.withLock { _ = $0.insert(path) }
        guard endpoints_rename(ours, path) != 0 else { return }
        Self.ours.withLock { _ = $0.remove(path) }
        _ = endpoints_unlink(ours)
    }

    /// Gives the lock back, if it is still the one that this process made.
    func release() {
        guard Self.ours.withLock({ $0.contains(path) }) else { return }
        if link() == String(getpid()) { _ = endpoints_unlink(path) }
        Self.ours.withLock { _ = $0.remove(path) }
    }

    private func link() -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let base = buffer.baseAddress else { return nil }
            let count = endpoints_readlink(path, base, buffer.count)
            guard count >= 0 else { return nil }
            let bytes = UnsafeRawBufferPointer(start: base, count: count)
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}

/// The path from the root, as it is now.
package func absolutePath(_ path: String) -> String {
    guard path.utf8.first != UInt8(ascii: "/"), let directory = getcwd(nil, 0) else { return path }
    defer { free(directory) }
    return String(cString: directory) + "/" + path
}
