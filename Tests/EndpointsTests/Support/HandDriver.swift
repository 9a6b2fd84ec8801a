// A loop's second source of readiness, time and order: the test. Nothing is ready before the test
// says so, the clock stands still until it is moved, and a loop that is held takes nothing up, so
// that what it will find at its next turn can be laid out beforehand.

import Dispatch
import EventLoop

final class HandDriver: LoopDriver {
    fileprivate struct State {
        var now: UInt64 = 1_000_000_000
        var tokens: [Int32: UInt64] = [:]
        var events: [LoopEvent] = []
        var isWoken = false
        var isHeld = false
        var isClosed = false
        var arranging: (@Sendable (inout JobQueue) -> Void)?
        var whenHeld: [CheckedContinuation<Void, Never>] = []
        var whenWatched: [(Int32, CheckedContinuation<Void, Never>)] = []
    }
    private let state = Lock(State())
    private let changes = DispatchSemaphore(value: 0)

    private func change<Result>(_ body: (inout State) -> Result) -> Result {
        defer { changes.signal() }
        return state.withLock { body(&$0) }
    }

    // MARK: the test's side

    /// Has the loop find these at its next turn, in this order; what is not watched is left out.
    func report(_ events: [(descriptor: Int32, readiness: Readiness)]) {
        change { state in
            for (descriptor, readiness) in events {
                guard let token = state.tokens[descriptor] else { continue }
                state.events.append(LoopEvent(token: token, readiness: readiness))
            }
        }
    }

    func report(_ readiness: Readiness, of descriptor: Int32) {
        report([(descriptor, readiness)])
    }

    /// Moves time on, and has the loop look at its timers.
    func advance(by duration: Duration) {
        change { state in
            state.now += duration.nanosecondsClamped
            state.isWoken = true
        }
    }

    /// Returns when the loop has come to rest; until `release` it takes nothing up.
    func hold() async {
        await withCheckedContinuation { continuation in
            change { state in
                state.isHeld = true
                state.whenHeld.append(continuation)
            }
        }
    }

    func release() { change { $0.isHeld = false } }

    /// Puts the jobs of each turn in an order of the test's.
    func arrange(by arranging: @escaping @Sendable (inout JobQueue) -> Void) {
        change { $0.arranging = arranging }
    }

    /// Returns when the loop watches `descriptor`.
    func whenWatching(_ descriptor: Int32) async {
        await withCheckedContinuation { continuation in
            let isWatched = change { state in
                if state.tokens[descriptor] != nil { return true }
                state.whenWatched.append((descriptor, continuation))
                return false
            }
            if isWatched { continuation.resume() }
        }
    }

    var watched: Set<Int32> { state.withLock { Set($0.tokens.keys) } }
    var isClosed: Bool { state.withLock { $0.isClosed } }

    // MARK: the loop's side

    func watchWritable(_ descriptor: Int32, token: UInt64) -> Int32 { 0 }

    func add(_ descriptor: Int32, token: UInt64, writable: Bool) -> Int32 {
        let waiting = change { state in
            state.tokens[descriptor] = token
            defer { state.whenWatched.removeAll { $0.0 == descriptor } }
            return state.whenWatched.filter { $0.0 == descriptor }.map(\.1)
        }
        for continuation in waiting { continuation.resume() }
        return 0
    }

    func remove(_ descriptor: Int32) {
        change { _ = $0.tokens.removeValue(forKey: descriptor) }
    }

    func wait(
        atMost nanoseconds: UInt64?,
        into events: UnsafeMutableBufferPointer<LoopEvent>
    ) -> Int {
        while true {
            let (count, resting) = state.withLock { state in
                if state.isHeld {
                    defer { state.whenHeld = [] }
                    return (Int?.none, state.whenHeld)
                }
                return (state.take(into: events, mustReturn: nanoseconds == 0), [])
            }
            for continuation in resting { continuation.resume() }
            if let count { return count }
            changes.wait()
        }
    }

    func wake() { change { $0.isWoken = true } }
    func now() -> UInt64 { state.withLock { $0.now } }
    func coarseNow() -> UInt64 { now() }

    func arrange(_ jobs: inout JobQueue) {
        let arranging = state.withLock { $0.arranging }
        arranging?(&jobs)
    }

    func close() { change { $0.isClosed = true } }
}

extension HandDriver.State {
    /// What a wait finds; `nil` if it goes on.
    ///
    /// Its time ends when the clock is moved, which wakes it.
    fileprivate mutating func take(
        into buffer: UnsafeMutableBufferPointer<LoopEvent>,
        mustReturn: Bool
    ) -> Int? {
        let count = min(events.count, buffer.count)
        for index in 0..<count { buffer[index] = events[index] }
        events.removeFirst(count)
        if count == 0 && !isWoken && !mustReturn { return nil }
        // What comes with events need not end the next wait, too.
        isWoken = false
        return count
    }
}

/// Runs `body` with a loop that the test drives; it is gone afterwards.
func withHandDrivenLoop<Result>(
    _ body: (HandDriver, EventLoopGroup) async throws -> Result
) async throws -> Result {
    let driver = HandDriver()
    let group = EventLoopGroup(drivers: [driver])
    do {
        let result = try await body(driver, group)
        driver.release()
        await group.shutdown()
        return result
    } catch {
        driver.release()
        await group.shutdown()
        throw error
    }
}
