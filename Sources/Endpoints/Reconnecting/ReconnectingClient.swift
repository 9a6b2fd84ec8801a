// A client that comes back: the public face. ReconnectingState decides, ReconnectingClient+Effects
// carries out, ReconnectingClient+Waiting is where callers sleep, ReconnectingSource what it acts on.
//
// An actor of no loop: connections come and go, and each may live on another.

import EventLoop
import Logging
import Synchronization

/// Connects, hands out what it makes of the connection, and connects again when that is lost.
///
/// Between attempts it waits as its ``RetryPolicy`` says. There is one connection at most, and every
/// one that it opens is closed. A peer that ends its stream or vanishes is noticed without reading
/// or writing; the lost connection is closed when the wait is over, so that its last bytes can still
/// be read.
///
/// A client that was started works, and keeps itself alive, until it is stopped: call ``stop(within:)``,
/// or use ``run()`` or ``withReconnectingClient(_:in:retry:clock:random:prepare:body:)``, whose end
/// is the client's. It may be started again. The end of the last reference to it ends nothing: a variable
/// lives to its last use, and that is the start, where `prepare` hands the instances on.
///
/// After Twisted's `ClientService`.
public actor ReconnectingClient<Instance: Sendable>: CustomStringConvertible {
    let source: ReconnectingSource<Instance>
    let time: ReconnectingTime
    let retry: RetryPolicy
    let logger: Logger
    let observer: (any EndpointObserver)?
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
    var lastWaiter = 0

    /// The last states, for consumers that have not seen them yet.
    var recentStates = [ReconnectingClientState.idle]
    static var recentStatesLimit: Int { 64 }
    /// How many states there were; any thread may look where a new consumer is to begin.
    nonisolated let stateCount = Atomic<Int>(1)

    /// The error of the last attempt that failed, or of the last connection that was lost by one.
    public internal(set) var lastError: (any Error)?

    /// Makes a client; ``start()`` sets it to work.
    ///
    /// - Parameters:
    ///   - endpoint: Where to connect.
    ///   - context: Loops, logger and resolver; the shared ones unless told.
    ///   - retry: How long to wait between attempts; exponential unless told.
    ///   - clock: What the waits are measured by; the loops' timers unless told.
    ///   - random: Where the jitter comes from; the system's generator unless told.
    ///   - prepare: Makes the instance of a new connection, on the connection's loop. When it
    ///     throws, the connection is closed and the attempt has failed. It is cancelled when the
    ///     connection is lost meanwhile or the client stops.
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
            logger: context.logger,
            observer: context.observer
        )
    }

    init(
        _ source: ReconnectingSource<Instance>,
        retry: RetryPolicy,
        time: ReconnectingTime,
        random: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator(),
        logger: Logger = Logger(label: "endpoints"),
        observer: (any EndpointObserver)? = nil
    ) {
        self.source = source
        self.retry = retry
        self.time = time
        self.random = random
        self.logger = logger
        self.observer = observer
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
    /// - Returns: The instance, the same for all who wait.
    /// - Throws: The error of the attempt that was one too many; `CancellationError` when the client
    ///   is stopped or becomes so; ``EndpointError`` with code `invalidArgument` for a limit below 1.
    public func whenConnected(failAfterFailures limit: Int? = nil) async throws -> Instance {
        if let limit, limit < 1 {
            throw EndpointError(
                .invalidArgument,
                operation: "wait for",
                endpoint: source.name,
                reason: "failAfterFailures is \(limit), and must be at least 1"
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
