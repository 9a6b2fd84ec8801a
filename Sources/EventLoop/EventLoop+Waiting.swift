// Waits that are not on the hot path: a sleep, and the next event of a descriptor. Each is a small
// object that lives on the loop; ending it and cancelling it race there, not between threads.

import CEndpoints

extension EventLoop {
    /// Waits for `duration` on the loop's timers, to the millisecond; never shorter.
    ///
    /// May be called from any task. Cancellation: returns at once.
    ///
    /// - Throws: `CancellationError`, also when the loop has been shut down.
    public func sleep(for duration: Duration) async throws {
        let wait = LoopWait(self)
        let deadline = now &+ duration.nanosecondsClamped
        _ = try await wait.suspend { [self] in
            wait.timer = schedule(at: deadline) { wait.finish(self.isStopping ? nil : .readable) }
            return 0
        }
    }

    /// Registers `descriptor`, waits for its next event, and deregisters it.
    ///
    /// May be called from any task; the descriptor must not be registered already. Cancellation: the
    /// descriptor is deregistered when the call throws.
    ///
    /// - Returns: The event's readiness.
    /// - Throws: `CancellationError`, or ``EventLoopError`` if the descriptor cannot be watched.
    package func nextEvent(of descriptor: Int32) async throws -> Readiness {
        let wait = LoopWait(self)
        wait.descriptor = descriptor
        return try await wait.suspend { [self] in
            register(descriptor, wait, writable: true)
        }
    }
}

extension Duration {
    private static let longestCounted: Int64 = 4_000_000_000

    /// Nanoseconds, at least 0, at most some centuries.
    package var nanosecondsClamped: UInt64 {
        guard self > .zero else { return 0 }
        guard self < .seconds(Self.longestCounted) else { return 4_000_000_000_000_000_000 }
        let (seconds, attoseconds) = components
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds) / 1_000_000_000
    }

    /// Whole seconds, at least 0, at most some centuries.
    package var secondsClamped: Int { Int(nanosecondsClamped / 1_000_000_000) }

    /// The components, or the nearest that there are: a duration counts 10²⁰ seconds, and `components`
    /// traps where they are more than an `Int64` holds.
    package var componentsClamped: (seconds: Int64, attoseconds: Int64) {
        min(max(self, .seconds(Int64.min)), .seconds(Int64.max)).components
    }
}

/// One suspended call.
// Unchecked: touched on the loop's thread only, but for `outcome`, which is behind a lock, and
// `descriptor`, set before it gets there.
private final class LoopWait: EventSource, @unchecked Sendable {
    private enum State {
        case new
        case waiting(UnsafeContinuation<Void, Never>)
        case over
    }
    private let loop: EventLoop
    private var state = State.new
    /// What the waiting task is to find: the readiness, or -errno.
    private let outcome = Lock<(readiness: Readiness?, failure: Int32)>((nil, 0))
    var descriptor: Int32?
    var timer: LoopTimer?

    init(_ loop: EventLoop) { self.loop = loop }

    /// Runs `begin` on the loop (0 or -errno), and waits until `finish`.
    func suspend(_ begin: @escaping @Sendable () -> Int32) async throws -> Readiness {
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                loop.run { self.start(continuation, begin) }
            }
        } onCancel: {
            loop.run { self.finish(nil) }
        }
        let (readiness, failure) = outcome.withLock { $0 }
        if failure != 0 { throw EventLoopError(operation: "epoll_ctl", code: -failure) }
        guard let readiness, !Task.isCancelled else { throw CancellationError() }
        return readiness
    }

    private func start(_ continuation: UnsafeContinuation<Void, Never>, _ begin: () -> Int32) {
        guard case .new = state, !loop.isStopping else {
            state = .over  // Cancelled before it came here, or the loop is ending.
            return continuation.resume()
        }
        let failure = begin()
        guard failure == 0 else {
            state = .over
            outcome.withLock { $0.failure = failure }
            return continuation.resume()
        }
        state = .waiting(continuation)
    }

    func finish(_ readiness: Readiness?) {
        let previous = state
        state = .over
        guard case .waiting(let continuation) = previous else { return }
        outcome.withLock { $0.readiness = readiness }
        if let descriptor { loop.deregister(descriptor, closing: false) }
        if let timer { loop.cancel(timer) }
        timer = nil
        continuation.resume()
    }

    func ready(_ readiness: Readiness) { finish(readiness) }
    func loopWillStop() { finish(nil) }
}
