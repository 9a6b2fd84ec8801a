// Descriptor numbers that nobody else in the process gets. Tests run beside each other, and whoever
// opens something gets the lowest free number: dup2(2) to a number below that, or closing one and
// looking at what became of it, hits another test's socket, or the very event a loop sleeps on. So
// tests that care about numbers take theirs from the upper half of what the process may have.

import CEndpoints
import EventLoop
import Glibc

enum ReservedNumbers {
    private static let next = Lock(base)

    /// Half of the limit, which is raised: a login's may be as low as 1024.
    private static let base: Int32 = {
        let number = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        getrlimit(number, &limit)
        limit.rlim_cur = min(limit.rlim_max, 16_384)
        setrlimit(number, &limit)
        return Int32(limit.rlim_cur / 2)
    }()

    /// Moves descriptors to consecutive numbers that were never used before, and never will be again.
    ///
    /// - Returns: The first number.
    static func move(_ descriptors: [Int32]) -> Int32 {
        let first = next.withLock { next in
            // A spare one: a test may ask for the number after its last.
            defer { next += Int32(descriptors.count) + 1 }
            return next
        }
        for (index, descriptor) in descriptors.enumerated() {
            // Not for the programs that other tests start meanwhile.
            _ = fcntl(descriptor, F_DUPFD_CLOEXEC, first + Int32(index))
            _ = endpoints_close(descriptor)
        }
        return first
    }
}
