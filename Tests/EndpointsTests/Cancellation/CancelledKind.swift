// One suspended call, made so that a test can hit each moment of its life for certain: it waits for
// something that has not come, says so on its loop, and what it waits for comes at a word from any
// thread, by a system call on a descriptor that no loop knows.

import CEndpoints
import EventLoop
import Synchronization

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// When a call is cancelled.
enum Moment: CaseIterable {
    /// Its task is cancelled already.
    case before
    /// It waits, and nothing has come.
    case during
    /// In one turn of its loop: it is ready, then cancelled.
    case readyThenCancelled
    /// In one turn of its loop: it is cancelled, then ready.
    case cancelledThenReady
    /// Two threads, released at once: one makes it ready, one cancels it.
    case race
    /// It has ended.
    case after

    /// Whether what the call waits for comes.
    var isReady: Bool { self != .before && self != .during }
}

/// A call that is about to be made.
struct PreparedCall: Sendable {
    /// Where it waits.
    let loop: EventLoop
    /// Makes it: true if it did what was asked for, false if it ended otherwise without an error.
    let body: @Sendable () async throws -> Bool
    /// On its loop: whether it waits.
    let isWaiting: @Sendable () -> Bool
    /// From any thread: lets come what it waits for.
    let makeReady: @Sendable () -> Void
    /// Looks at what was left behind, and ends it; told whether the call did what was asked for, and
    /// whether what it waited for has come.
    let finish: @Sendable (_ isDone: Bool, _ isReady: Bool) async throws -> Void
}

/// What the calls of one worker are made with.
final class CallSetting: Sendable {
    let loops: [EventLoopGroup]
    let driver: HandDriver
    let driven: EventLoopGroup
    let directory: TemporaryDirectory
    let connections = LiveConnections()
    private let number = Atomic(0)

    init() throws {
        loops = (0..<2).map { _ in EventLoopGroup(loopCount: 1) }
        driver = HandDriver()
        driven = EventLoopGroup(drivers: [driver])
        directory = try TemporaryDirectory()
    }

    func next() -> Int { number.wrappingAdd(1, ordering: .relaxed).oldValue }

    /// One group after the other.
    func group() -> EventLoopGroup { loops[next() % loops.count] }

    func shutdown() async {
        for group in loops + [driven] { await group.shutdown() }
    }
}

/// Which connections of a test still live.
final class LiveConnections: Sendable {
    private struct Entry {
        weak var connection: Connection?
    }
    private let entries = Lock<[Entry]>([])

    var count: Int { entries.withLock { $0.count { $0.connection != nil } } }

    func note(_ connection: Connection) {
        entries.withLock { $0.append(Entry(connection: connection)) }
    }
}

/// A connection over a UNIX socket with little room, and the descriptor of its peer, which is read and
/// written from any thread.
final class Wire: Sendable {
    let connection: Connection
    private let peer: OwnedDescriptor
    private let ours: Int32
    private let received = Lock<[UInt8]>([])

    init(_ setting: CallSetting, on loop: EventLoop) throws {
        let (first, second) = try connectedDescriptors(.unix)
        peer = OwnedDescriptor(second)
        ours = first
        _ = endpoints_set_option(first, SOL_SOCKET, SO_SNDBUF, 4096)
        connection = Connection.over(OwnedDescriptor(first), on: loop)
        setting.connections.note(connection)
    }

    /// Sends bytes to the connection.
    func send(_ bytes: [UInt8]) {
        _ = endpoints_send(peer.rawValue, bytes, bytes.count)
    }

    /// Ends the stream to the connection.
    func end() { _ = endpoints_shutdown(peer.rawValue, Int32(SHUT_WR)) }

    /// Takes what the connection has sent; answers whether that is its end.
    @discardableResult
    func drain() -> Bool {
        received.withLock { received in
            var block = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = endpoints_recv(peer.rawValue, &block, block.count)
                guard count > 0 else { return count == 0 }
                received += block[..<count]
            }
        }
    }

    /// All that was taken so far.
    var taken: [UInt8] { received.withLock { $0 } }

    /// Takes what comes up to the connection's end.
    func drainToEnd() async -> [UInt8] {
        while !drain() { await Task.yield() }
        return taken
    }

    /// Sends from the connection's socket, behind its back, until there is no room; answers how much.
    func fill() -> Int {
        let block = [UInt8](repeating: 0, count: 1024)
        var total = 0
        while case let count = endpoints_send(ours, block, block.count), count > 0 {
            total += count
        }
        return total
    }

    /// So many bytes that some leave at once, and the rest when the peer has taken those.
    func overfull() -> [UInt8] {
        // Room is counted in the kernel's blocks, so that it depends on the size of a write.
        let large = [UInt8](repeating: 0, count: 1 << 20)
        let room = endpoints_send(ours, large, large.count)
        drain()
        received.withLock { $0 = [] }
        return numberedBytes(room + room / 2)
    }
}

/// Runs `body` on the loop, outside any job, as an event would.
func onLoop<Result: Sendable>(
    _ loop: EventLoop,
    _ body: @escaping @Sendable () -> Result
) async -> Result {
    await withUnsafeContinuation { continuation in
        loop.runOutsideJob { continuation.resume(returning: body()) }
    }
}

extension Connection {
    /// Runs `body` as `serve` runs a handler: watched from outside, so that no wait needs a handler.
    func withOwner<Result>(
        _ body: (isolated Connection) async throws -> Result
    ) async rethrows -> Result {
        own()
        defer { disown() }
        return try await withTaskCancellationHandler {
            try await body(self)
        } onCancel: {
            loop.run { self.noteCancellation() }
        }
    }
}
