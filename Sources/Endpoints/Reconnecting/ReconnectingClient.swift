// A client that comes back: the public face, and who waits for what.
//
// ReconnectingState decides; ReconnectingClient+Effects carries out. Here are the waiting callers.
// Each sits in `waiters` until somebody takes it out, and whoever does that resumes it: the event it
// waits for, or its cancellation. An answer is kept in the waiter, not handed through the
// continuation, so that every caller gets what was true when it was resumed, and not what is true
// by the time it runs.
//
// Consumers of `connections` and `states` have no buffers of their own. They hold a position and
// look again when told that there is news; a slow one costs nobody anything and grows nothing.

import EventLoop
import Logging
import Synchronization

/// Connects, hands out what it makes of the connection, and connects again when that is lost.
///
/// Between attempts it waits as its ``RetryPolicy`` says. There is one connection at most, and every
/// one that it opens is closed. A peer that goes away is noticed without reading or writing; the
/// lost connection is closed when the wait is over, so that its last bytes can still be read.
///
/// A client that was started works, and keeps itself alive, until it is stopped: call ``stop(within:)``,
/// or use ``run()`` or ``withReconnectingClient(_:in:retry:clock:random:prepare:body:)``, whose end
/// is the client's. It may be started again.
///
/// After Twisted's `ClientService`.
public actor ReconnectingClient<Instance: Sendable>: CustomStringConvertible {
    let source: ReconnectingSource<Instance>
    let time: ReconnectingTime
    let retry: RetryPolicy
    let logger: Logger
    var random: any RandomNumberGenerator & Sendable

    var machine: ReconnectingState
    var attempt: Task<Void, Never>?
    var connection: ReconnectingSource<Instance>.Opened?
    var watcher: Task<Void, Never>?
    var timer: Task<Void, Never>?
    /// What the attempt made; shared or dropped when the machine has heard of it.
    var prepared: Instance?
    var lifetime: (@Sendable () -> Duration)?
    var wait: (delay: Duration, error: (any Error)?, elapsed: @Sendable () -> Duration)?

    /// The instance to use, and its number among all that there were.
    var current: (number: Int, instance: Instance)?
    var instanceCount = 0
    /// How often the client has stopped; what began before the last time is over.
    var stopCount = 0
    var waiters: [Int: Waiter] = [:]
    private var lastWaiter = 0

    /// The last states, for consumers that have not seen them yet.
    var recentStates = [ReconnectingClientState.idle]
    static var recentStatesLimit: Int { 64 }
    /// How many states there were; any thread may look where a new consumer is to begin.
    nonisolated let stateCount = Atomic<Int>(1)

    /// The error of the last attempt that failed, or of the last connection that was lost by one.
    public internal(set) var lastError: (any Error)?

    /// Makes a client; ``start()`` sets it to work.
    ///
    /// - Parameter endpoint: Where to connect.
    /// - Parameter context: Loops, logger and resolver; the shared ones unless told.
    /// - Parameter retry: How long to wait between attempts; exponential unless told.
    /// - Parameter clock: What the waits are measured by; the loops' timers unless told.
    /// - Parameter random: Where the jitter comes from; the system's generator unless told.
    /// - Parameter prepare: Makes the instance of a new connection, on the connection's loop. When it
    ///   throws, the connection is closed and the attempt has failed. It is cancelled when the
    ///   connection is lost meanwhile or the client stops.
    public init(
        _ endpoint: some ClientEndpoint,
        in context: EndpointContext = EndpointContext(),
        retry: RetryPolicy = .exponential(),
        clock: (any Clock<Duration>)? = nil,
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
        prepare: @escaping @Sendable (isolated Connection) async throws -> Instance
    ) {
        self.init(
            ReconnectingSource(endpoint, in: context, prepare: prepare),
            retry: retry,
            time: clock.map { ReconnectingTime($0) } ?? ReconnectingTime(context.loops),
            random: random,
            logger: context.logger
        )
    }

    init(
        _ source: ReconnectingSource<Instance>,
        retry: RetryPolicy,
        time: ReconnectingTime,
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
        logger: Logger = Logger(label: "endpoints")
    ) {
        self.source = source
        self.retry = retry
        self.time = time
        self.random = random
        self.logger = logger
        machine = ReconnectingState(resetAfter: retry.resetAfter)
    }

    /// The endpoint's string.
    public nonisolated var description: String { source.name }

    /// Begins to connect, at once; the count of failures begins anew.
    ///
    /// Does nothing where it was started already. While the client stops, it begins when the old
    /// connection or attempt is gone.
    public func start() { apply(.start) }

    /// Closes the connection or gives up the attempt, and returns when it is gone.
    ///
    /// Whoever waits in ``whenConnected(failAfterFailures:)`` gets `CancellationError`, and
    /// ``connections`` ends. May be called at any time and any number of times; every call returns
    /// when all is done.
    ///
    /// Cancellation: the connection is reset at once.
    ///
    /// - Parameter timeout: How long the connection may take to close; then it is reset. 30 s unless
    ///   told. A `prepare` that ignores its cancellation is left behind then.
    public func stop(within timeout: Duration = .seconds(30)) async {
        apply(.stop)
        guard case .disconnecting = machine.state else { return }
        let waiter = makeWaiter(.stop)
        let limit = Task {
            await time.sleep(max(timeout, .zero))
            guard !Task.isCancelled, waiters[waiter.id] != nil else { return }
            apply(.stopTimedOut)
        }
        await park(waiter)
        limit.cancel()
    }

    /// Starts, and stops when the task is cancelled; returns when the client was stopped otherwise.
    ///
    /// Cancellation: closes the connection, within a second, then throws.
    ///
    /// - Throws: `CancellationError`.
    public func run() async throws {
        try Task.checkCancellation()
        start()
        let waiter = makeWaiter(.end)
        await park(waiter)
        guard !waiter.isDone else { return }
        // In a task of its own, which is not cancelled: a cancelled stop would reset.
        await Task { await stop(within: reconnectingGrace) }.value
        throw CancellationError()
    }

    /// The instance to use: the one there is, or the next.
    ///
    /// Cancellation: ends this wait; others go on.
    ///
    /// - Parameter limit: How many attempts may fail from now on until this call does; `nil`, which
    ///   it is unless told, for any number. The loss of a connection is no failed attempt.
    /// - Throws: The error of the attempt that was one too many; `CancellationError` when the client
    ///   is stopped or becomes so; ``EndpointError`` with code `invalidArgument` for a limit below 1.
    public func whenConnected(failAfterFailures limit: Int? = nil) async throws -> Instance {
        if let limit, limit < 1 {
            throw EndpointError(
                .invalidArgument,
                operation: "whenConnected(failAfterFailures: \(limit))",
                endpoint: source.name
            )
        }
        if let current { return current.instance }
        if machine.state == .stopped { throw CancellationError() }
        let waiter = makeWaiter(.instance(failuresLeft: limit))
        await park(waiter)
        guard let answer = waiter.answer else { throw CancellationError() }
        return try answer.get()
    }

    /// Each new instance: first the one there is, then every newer one.
    ///
    /// Any number may iterate. One that is slow is given the newest and skips those that were lost
    /// meanwhile. Ends when the client stops, or the iterating task is cancelled.
    public nonisolated var connections: Connections { Connections(client: self) }

    /// What the client does: first its state of now, then each newer one, to the end of `stopped`.
    ///
    /// Any number may iterate. One that falls more than 64 states behind misses the oldest.
    public nonisolated var states: States {
        States(client: self, position: stateCount.load(ordering: .acquiring) - 1)
    }

    /// What the client does now.
    public var state: ReconnectingClientState { recentStates[recentStates.count - 1] }

    /// How many attempts were begun since the start or the last success.
    public var attempts: Int { machine.attempts }

    /// How long it is until the next attempt; `nil` when not waiting.
    public var nextAttempt: Duration? {
        guard case .waiting = machine.phase, let wait else { return nil }
        return max(wait.delay - wait.elapsed(), .zero)
    }
}

/// How long the closing may take of a connection that nobody uses any more.
let reconnectingGrace = Duration.seconds(1)

// MARK: Waiting

extension ReconnectingClient {
    /// A suspended caller. Lives in the actor.
    final class Waiter {
        enum Purpose {
            case instance(failuresLeft: Int?)
            /// For anything new: an instance, a state.
            case news
            case stop
            case end
        }
        let id: Int
        var purpose: Purpose
        var continuation: CheckedContinuation<Void, Never>?
        var answer: Result<Instance, any Error>?
        /// Whether it was resumed by what it waited for, not by its cancellation.
        var isDone = false

        init(id: Int, purpose: Purpose) {
            self.id = id
            self.purpose = purpose
        }
    }

    func makeWaiter(_ purpose: Waiter.Purpose) -> Waiter {
        lastWaiter += 1
        let waiter = Waiter(id: lastWaiter, purpose: purpose)
        waiters[waiter.id] = waiter
        return waiter
    }

    /// Suspends the caller until its waiter is finished or its task is cancelled.
    func park(_ waiter: Waiter) async {
        let id = waiter.id
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // On the way here others may have run: what it waits for may have come, and the
                // handler may have found nobody to resume.
                if waiter.isDone { return continuation.resume() }
                waiter.continuation = continuation
                if Task.isCancelled { cancel(id) }
            }
        } onCancel: {
            Task { await self.cancel(id) }
        }
    }

    func finish(_ waiter: Waiter, with answer: Result<Instance, any Error>? = nil) {
        waiters[waiter.id] = nil
        waiter.answer = answer
        waiter.isDone = true
        waiter.continuation?.resume()
        waiter.continuation = nil
    }

    private func cancel(_ id: Int) {
        guard let waiter = waiters[id], let continuation = waiter.continuation else { return }
        if case .stop = waiter.purpose { return apply(.stopTimedOut) }
        waiters[id] = nil
        waiter.continuation = nil
        continuation.resume()
    }

    /// Waits for anything new; answers whether there is, and not the caller's cancellation.
    private func news() async -> Bool {
        let waiter = makeWaiter(.news)
        await park(waiter)
        return waiter.isDone
    }

    /// The current instance if it is newer than `number`, or the next; `nil` at the end.
    func instance(
        after number: Int,
        since stops: Int?
    ) async -> (number: Int, stops: Int, instance: Instance)? {
        let stops = stops ?? stopCount
        while stops == stopCount, machine.state != .stopped {
            if let current, current.number > number {
                return (current.number, stops, current.instance)
            }
            guard await news() else { return nil }
        }
        return nil
    }

    /// The state at `position`, the oldest that is still known, or the next; `nil` when cancelled.
    func state(at position: Int) async -> (position: Int, state: ReconnectingClientState)? {
        while true {
            let count = stateCount.load(ordering: .relaxed)
            if position < count {
                let index = max(position - (count - recentStates.count), 0)
                return (count - recentStates.count + index, recentStates[index])
            }
            guard await news() else { return nil }
        }
    }
}
