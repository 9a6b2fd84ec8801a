// What the tests of connections share: two connections that are each other's peers, over TCP or a
// UNIX socket pair, on loops of the test's own; a log that remembers; waits for what a loop does.

import CEndpoints
import EventLoop
import Logging
import Synchronization
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// What lies between the two connections of a pair.
enum PairKind: CaseIterable { case tcp, unix }

/// Two connected descriptors, the caller's to close.
func connectedDescriptors(_ kind: PairKind = .tcp) throws -> (Int32, Int32) {
    func check(_ result: Int32) throws -> Int32 {
        if result < 0 { throw EndpointError(errno: result, operation: "make a pair") }
        return result
    }
    switch kind {
    case .unix:
        var pair: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        _ = try check(socketpair(AF_UNIX, type, 0, &pair))
        return (pair[0], pair[1])
    case .tcp:
        let stream = Int32(SOCK_STREAM.rawValue)
        let listener = OwnedDescriptor(try check(endpoints_socket(AF_INET, stream, 0)))
        var local = try SocketAddress(ip: "127.0.0.1", port: 0).kernelAddress(
            operation: "bind",
            endpoint: nil
        )
        _ = try check(endpoints_bind(listener.rawValue, &local.storage, local.length))
        _ = try check(endpoints_listen(listener.rawValue, 1))
        var target = try SocketAddress(localOf: listener.rawValue).kernelAddress(
            operation: "connect",
            endpoint: nil
        )
        let client = OwnedDescriptor(try check(endpoints_socket(AF_INET, stream, 0)))
        let result = endpoints_connect(client.rawValue, &target.storage, target.length)
        if result != 0 && result != -EINPROGRESS { _ = try check(result) }
        var peer = KernelAddress()
        var accepted: Int32 = -EAGAIN
        while accepted == -EAGAIN {
            accepted = endpoints_accept(listener.rawValue, &peer.storage, &peer.length)
        }
        return (client.take(), try check(accepted))
    }
}

extension Connection {
    /// A connection over `descriptor`.
    static func over(
        _ descriptor: consuming OwnedDescriptor,
        on loop: EventLoop,
        logger: Logger = quietLogger
    ) -> Connection {
        let facts = ConnectionFacts(
            localAddress: SocketAddress(localOf: descriptor.rawValue),
            remoteAddress: SocketAddress(remoteOf: descriptor.rawValue) ?? SocketAddress(path: "")
        )
        let origin = ConnectionOrigin(endpoint: "test", logger: logger)
        return .make(descriptor, facts: facts, origin: origin, on: loop)
    }

    /// Looks every millisecond until `isMet` holds.
    func until(_ isMet: @Sendable (isolated Connection) -> Bool) async throws {
        while !isMet(self) { try await loop.sleep(for: .milliseconds(1)) }
    }

    /// Whether a task waits for bytes.
    nonisolated var isReading: Bool { readGate.call.operation == .read }

    /// Returns when a task waits for bytes.
    func untilReading() async throws { try await until { $0.isReading } }

    /// Returns when a task waits for room.
    func untilWriting() async throws {
        try await until { $0.extras?.writeGate?.call.operation == .write }
    }

    /// Runs `body` on the loop, isolated to the connection.
    func perform<Result: Sendable>(
        _ body: @Sendable (isolated Connection) async throws -> Result
    ) async rethrows -> Result {
        try await body(self)
    }
}

let quietLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Runs `body` with two connections that are each other's peers, each on a loop of its own; both are
/// aborted and the loops gone afterwards.
func withPair<Result>(
    _ kind: PairKind = .tcp,
    logger: Logger = quietLogger,
    _ body: (Connection, Connection) async throws -> Result
) async throws -> Result {
    let group = EventLoopGroup(loopCount: 2)
    let (first, second) = try connectedDescriptors(kind)
    let a = Connection.over(OwnedDescriptor(first), on: group.loops[0], logger: logger)
    let b = Connection.over(OwnedDescriptor(second), on: group.loops[1], logger: logger)
    do {
        let result = try await body(a, b)
        a.abort()
        b.abort()
        await group.shutdown()
        return result
    } catch {
        a.abort()
        b.abort()
        await group.shutdown()
        throw error
    }
}

/// Remembers what is logged.
final class CapturedLog: Sendable {
    struct Line: Sendable {
        var level: Logger.Level
        var message: String
        var metadata: [String: String]
    }
    private let state = Lock<[Line]>([])

    var lines: [Line] { state.withLock { $0 } }

    func lines(_ message: String) -> [Line] { lines.filter { $0.message == message } }

    var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(log: self) }
        logger.logLevel = .trace
        return logger
    }

    private struct Handler: LogHandler {
        let log: CapturedLog
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let metadata = (event.metadata ?? [:]).mapValues { "\($0)" }
            let line = Line(level: event.level, message: "\(event.message)", metadata: metadata)
            log.state.withLock { $0.append(line) }
        }
    }
}

/// A number that any thread may add to.
final class Tally: Sendable {
    private let number = Atomic(0)

    var value: Int { number.load(ordering: .sequentiallyConsistent) }
    func add(_ amount: Int = 1) { number.wrappingAdd(amount, ordering: .sequentiallyConsistent) }
}

/// The code of the `EndpointError` that `body` throws; `nil` if it throws none.
nonisolated(nonsending) func code<Result>(
    of body: nonisolated(nonsending) () async throws -> Result
) async -> EndpointError.Code? {
    do {
        _ = try await body()
        return nil
    } catch { return (error as? EndpointError)?.code }
}

/// Whether `body` throws a `CancellationError`.
nonisolated(nonsending) func isCancelled<Result>(
    _ body: nonisolated(nonsending) () async throws -> Result
) async -> Bool {
    do {
        _ = try await body()
        return false
    } catch { return error is CancellationError }
}

/// Bytes that tell where in a stream they are, so that a loss shows; they repeat after a prime number.
func numberedBytes(_ count: Int, from start: Int = 0) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    var offset = start % numbers.count
    while bytes.count < count {
        bytes += numbers[offset..<min(offset + count - bytes.count, numbers.count)]
        offset = 0
    }
    return bytes
}

private let numbers = (0..<65_521).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }

/// How many sockets, epolls and eventfds this process has; files and pipes may be a sanitizer's.
func openDescriptorCount() -> Int {
    guard let directory = opendir("/proc/self/fd") else { return 0 }
    defer { closedir(directory) }
    var count = 0
    while let entry = readdir(directory) {
        let number = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        var target = [CChar](repeating: 0, count: 64)
        let length = readlink("/proc/self/fd/\(number)", &target, target.count)
        let bytes = target.prefix(max(length, 0)).map(UInt8.init(bitPattern:))
        let name = String(decoding: bytes, as: UTF8.self)
        if name.hasPrefix("socket:") || name.hasPrefix("anon_inode:") { count += 1 }
    }
    return count
}

/// Resident memory of this process, in bytes.
func residentBytes() -> Int {
    let fields = contents(of: "/proc/self/statm").split(separator: " ")
    return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
}
