// Preparing a path takes several steps: look at what is there, remove what a dead server left, make
// our own. Between two steps another server may do the same, and then we remove what is alive: its
// lock file, or a socket that it has bound and on which it does not listen yet. No single system call
// looks and removes. So all our servers take turns in a directory, by flock(2) on the directory
// itself: that leaves no file behind, and the kernel ends it with the process.
//
// Anyone who can read the directory can hold that lock. So we wait for it for a limited time only, and
// then go on without it.

import CEndpoints
import EndpointsCore
import EventLoop

enum DirectoryLock {
    private static let attempts = 100
    private static let pause = Duration.milliseconds(10)

    /// Runs `body` while no other server prepares a path in the directory of `path`.
    ///
    /// Waits on `loop` for at most a second. Where the directory cannot be opened or locked, `body`
    /// runs all the same.
    ///
    /// Cancellation: `body` does not run.
    static func withLock<Result>(
        onDirectoryOf path: String,
        waitingOn loop: EventLoop,
        _ body: () throws -> Result
    ) async throws -> Result {
        let opened = endpoints_open(directory(of: path), O_RDONLY | O_DIRECTORY, 0)
        guard opened >= 0 else { return try body() }
        // Closing it unlocks it.
        let descriptor = OwnedDescriptor(opened)
        for _ in 0..<attempts where endpoints_lock(descriptor.rawValue) == -EWOULDBLOCK {
            try await loop.sleep(for: pause)
        }
        return try body()
    }

    private static func directory(of path: String) -> String {
        let path = absolutePath(path)
        return path.lastIndex(of: "/").map { String(path[...$0]) } ?? "/"
    }
}
