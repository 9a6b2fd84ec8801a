// What the tests of the loop share: loops that are shut down behind each test, an actor that lives on
// a loop, and what the kernel says of this process.

import CEndpoints
import Testing

@testable import EventLoop

/// Runs `body` with loops of its own, which are gone afterwards.
func withLoops<Result>(
    _ count: Int = 1,
    _ body: (EventLoopGroup) async throws -> Result
) async throws -> Result {
    let group = EventLoopGroup(loopCount: count)
    do {
        let result = try await body(group)
        await group.shutdown()
        return result
    } catch {
        await group.shutdown()
        throw error
    }
}

/// An actor that lives on a loop, as a connection does.
actor Resident {
    nonisolated let loop: EventLoop
    private(set) var count = 0

    init(_ loop: EventLoop) { self.loop = loop }

    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    var isAtHome: Bool { loop.isCurrent }
    var thread: pthread_t { pthread_self() }

    func increment() { count += 1 }

    func run<Result: Sendable>(
        _ body: @Sendable (isolated Resident) async throws -> Result
    ) async rethrows -> Result {
        try await body(self)
    }
}

/// A flag that is set once, from anywhere.
final class Flag: Sendable {
    private let value = Lock(false)

    var isSet: Bool { value.withLock { $0 } }
    func set() { value.withLock { $0 = true } }
}

/// A number that any thread may add to.
final class Counter: Sendable {
    private let number = Lock(0)

    var value: Int { number.withLock { $0 } }
    func add(_ amount: Int = 1) { number.withLock { $0 += amount } }
}

/// The names in a directory of proc(5).
func entries(of path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names
}

/// How many descriptors this process has.
func openDescriptorCount() -> Int { entries(of: "/proc/self/fd").count }

/// The names of this process's threads that begin so.
func threadNames(beginningWith prefix: String) -> [String] {
    entries(of: "/proc/self/task").map { smallFile("/proc/self/task/\($0)/comm") }
        .filter { $0.hasPrefix(prefix) }
}

/// The beginning of a file; empty if there is none.
func smallFile(_ path: String) -> String {
    let descriptor = endpoints_open(path, O_RDONLY, 0)
    guard descriptor >= 0 else { return "" }
    defer { _ = endpoints_close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = endpoints_read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
}

/// Runs `body` while the process can have no more descriptors; for a process of a test's own.
func withoutDescriptors<Result>(_ body: () -> Result) -> Result {
    let number = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var loose = rlimit()
    getrlimit(number, &loose)
    var tight = loose
    tight.rlim_cur = 3
    setrlimit(number, &tight)
    defer { setrlimit(number, &loose) }
    // What is below the limit and free must be used up.
    var fillers: [Int32] = []
    while case let filler = endpoints_eventfd(), filler >= 0 { fillers.append(filler) }
    defer { for filler in fillers { _ = endpoints_close(filler) } }
    return body()
}
