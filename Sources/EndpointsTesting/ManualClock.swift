// A clock that stands still until a test moves it. A test first waits until the code under test
// sleeps, then advances: no test waits for real time, and none depends on who is faster.

import EventLoop

/// A clock that stands still until it is moved: time for tests.
///
/// Give it to what takes `any Clock<Duration>`, wait with ``whenSleeping(for:)`` until the code sleeps,
/// then ``advance(by:)``.
public final class ManualClock: Clock {
    /// A moment of the clock.
    public struct Instant: InstantProtocol {
        /// How long after the clock's beginning.
        public var offset = Duration.zero

        /// The moment that comes after some time.
        public func advanced(by duration: Duration) -> Instant {
            Instant(offset: offset + duration)
        }

        /// How long it is to another moment.
        public func duration(to other: Instant) -> Duration { other.offset - offset }

        /// Whether the left moment is the earlier one.
        public static func < (left: Instant, right: Instant) -> Bool { left.offset < right.offset }
    }

    private struct Sleeper {
        var id: Int
        var deadline: Instant
        var continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var now = Instant()
        var lastID = 0
        var sleepers: [Sleeper] = []
        var observers: [(isMet: @Sendable ([Duration]) -> Bool, CheckedContinuation<Void, Never>)] =
            []

        /// How much longer each sleeps, the shortest first.
        var remaining: [Duration] { sleepers.map { now.duration(to: $0.deadline) }.sorted() }

        mutating func takeObservers() -> [CheckedContinuation<Void, Never>] {
            if observers.isEmpty { return [] }
            let remaining = remaining
            let met = observers.filter { $0.isMet(remaining) }
            observers.removeAll { $0.isMet(remaining) }
            return met.map(\.1)
        }
    }
    private let state = Lock(State())

    /// Makes a clock that stands at its beginning.
    public init() {}

    /// The moment at which it stands.
    public var now: Instant { state.withLock { $0.now } }
    /// Every moment is told apart.
    public var minimumResolution: Duration { .zero }

    /// How much longer each sleeper sleeps, the shortest first.
    public var remaining: [Duration] { state.withLock { $0.remaining } }

    /// Sleeps until the clock was moved to `deadline` or beyond.
    ///
    /// Cancellation: returns at once.
    ///
    /// - Throws: `CancellationError`.
    public func sleep(until deadline: Instant, tolerance: Duration?) async throws {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready = state.withLock { state -> [CheckedContinuation<Void, Never>] in
                    if Task.isCancelled || deadline <= state.now { return [continuation] }
                    state.sleepers.append(
                        Sleeper(id: id, deadline: deadline, continuation: continuation)
                    )
                    return state.takeObservers()
                }
                for continuation in ready { continuation.resume() }
            }
        } onCancel: {
            let ready = state.withLock { state in
                let cancelled = state.sleepers.filter { $0.id == id }.map(\.continuation)
                state.sleepers.removeAll { $0.id == id }
                return cancelled + state.takeObservers()
            }
            for continuation in ready { continuation.resume() }
        }
        try Task.checkCancellation()
    }

    /// Moves time on, and wakes who is due, the earliest first.
    public func advance(by duration: Duration) {
        let ready = state.withLock { state in
            state.now = state.now.advanced(by: duration)
            let now = state.now
            let due = state.sleepers.filter { $0.deadline <= now }
            state.sleepers.removeAll { $0.deadline <= now }
            return due.sorted { $0.deadline < $1.deadline }.map(\.continuation)
                + state.takeObservers()
        }
        for continuation in ready { continuation.resume() }
    }

    /// Returns when what the sleepers have left to sleep is as `isMet` says.
    public func whenSleepers(_ isMet: @escaping @Sendable ([Duration]) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isMetNow = state.withLock { state in
                if isMet(state.remaining) { return true }
                state.observers.append((isMet, continuation))
                return false
            }
            if isMetNow { continuation.resume() }
        }
    }

    /// Returns when somebody sleeps for exactly `duration` from now.
    public func whenSleeping(for duration: Duration) async {
        await whenSleepers { $0.contains(duration) }
    }
}
