// The policy of a reconnecting client without its mechanism: what each event means in each state.
//
//        start              attemptSucceeded
//  idle ──────▶ connecting ──────────────────▶ connected
//                ▲      │ attemptFailed,             │ connectionLost
//      waitEnded │      ▼ connectionLost             │
//                └─── waiting, lingering ◀───────────┘
//
//  stop, from any of them: `stopped` if nothing is left that must go first, else `disconnecting`.
//  start, in `disconnecting`: `restarting`. What was left is gone: `stopped`, or `connecting` again.
//
// The hard part is that nothing goes at once. An attempt that was cancelled may take its time, and
// may even succeed; a connection takes time to close. There is one at most, so whatever is not gone
// yet is part of the state, a `Remnant`, and a new attempt begins when there is none. If the wait
// ends before its remnant is gone, the client is `overdue`.
//
// A connection whose peer has ended it is not closed until the wait is over: the last bytes may
// still be unread, and their reader gets that long. This is `lingering`. A connection lost while it
// is being prepared is different: nobody has seen it. Its attempt is cancelled and counts as failed
// at once.
//
// Late events are normal. An event about something that is not there (a timer that was cancelled
// as it fired) changes nothing.

/// The states of a reconnecting client, its counters, and what it must do next.
struct ReconnectingState {
    /// What is not gone yet.
    enum Remnant: Hashable, CaseIterable {
        /// An attempt that was cancelled and has not ended.
        case attempt
        /// A connection that is being closed.
        case connection
    }

    enum State: Hashable {
        /// Never started.
        case idle
        /// One attempt is under way, its preparation included.
        case connecting
        case connected
        /// The timer runs.
        case waiting(Remnant?)
        /// The timer runs, and the lost connection is open for who reads its last bytes.
        case lingering
        /// The timer has ended; the attempt begins when the remnant is gone.
        case overdue(Remnant)
        /// A stop was asked for.
        case disconnecting(Remnant)
        /// Started again while disconnecting.
        case restarting(Remnant)
        case stopped
    }

    enum Event: Hashable {
        case start
        case stop
        /// A stop has lasted as long as it may.
        case stopTimedOut
        /// The connection is open and prepared.
        case attemptSucceeded
        /// The attempt is over, and what it had opened is closed.
        case attemptFailed
        /// The peer, or whoever uses the connection, has ended it: so long after the attempt had
        /// succeeded, zero while it was being prepared.
        case connectionLost(after: Duration)
        /// The connection that was to be closed is.
        case connectionClosed
        case waitEnded
    }

    /// What the owner must now do, in order.
    enum Effect: Hashable {
        case connect
        case cancelAttempt
        /// Give the new instance to all who wait for it, and to all who ask.
        case shareInstance
        /// The instance is no longer to be had.
        case withdrawInstance
        /// Tell the waiters that an attempt has failed.
        case reportFailure
        case wait(afterFailures: Int)
        case cancelWait
        /// Close the connection gently, for as long as a stop may take; tell when it is closed.
        case close
        /// Close a connection that nobody uses any more: soon. Tell when it is closed.
        case discard
        /// Reset the connection, if there is one, at once.
        case abort
        /// Whoever has asked to stop is done waiting.
        case finishStops
        /// Stopped: whoever waits for an instance gets none, and sequences end.
        case end
    }

    /// What can be seen from outside.
    enum Phase: Hashable {
        case idle
        case connecting(attempt: Int)
        case connected
        case waiting(failures: Int)
        case stopping
        case stopped
    }

    private(set) var state = State.idle
    /// Failed attempts and lost connections in a row, since the start or the last success.
    private(set) var failures = 0
    /// Attempts since the start or the last success.
    private(set) var attempts = 0
    private let resetAfter: Duration

    /// Makes a client that was never started.
    ///
    /// - Parameter resetAfter: How long a connection must live to set the failures back to none.
    init(resetAfter: Duration = .zero) { self.resetAfter = resetAfter }

    var phase: Phase {
        switch state {
        case .idle: .idle
        case .connecting: .connecting(attempt: attempts)
        case .connected: .connected
        case .waiting, .lingering, .overdue: .waiting(failures: failures)
        case .disconnecting, .restarting: .stopping
        case .stopped: .stopped
        }
    }

    /// Moves to the next state and says what the owner must now do, in order.
    mutating func handle(_ event: Event) -> [Effect] {
        switch event {
        case .start: start()
        case .stop: stop()
        case .stopTimedOut: stopTimedOut()
        case .attemptSucceeded: attemptSucceeded()
        case .attemptFailed: attemptFailed()
        case .connectionLost(let lifetime): connectionLost(after: lifetime)
        case .connectionClosed: gone(.connection)
        case .waitEnded: waitEnded()
        }
    }

    private mutating func start() -> [Effect] {
        switch state {
        case .idle, .stopped:
            failures = 0
            attempts = 0
            return connect()
        case .disconnecting(let remnant):
            state = .restarting(remnant)
            return []
        case .connecting, .connected, .waiting, .lingering, .overdue, .restarting:
            return []  // Started already; asking twice does not hurry it.
        }
    }

    private mutating func stop() -> [Effect] {
        switch state {
        case .idle:
            return end()
        case .connecting:
            state = .disconnecting(.attempt)
            return [.cancelAttempt]
        case .connected:
            state = .disconnecting(.connection)
            return [.withdrawInstance, .close]
        case .waiting(nil):
            return [.cancelWait] + end()
        case .waiting(let remnant?):
            state = .disconnecting(remnant)
            return [.cancelWait]
        case .lingering:
            state = .disconnecting(.connection)
            return [.cancelWait, .discard]
        case .overdue(let remnant), .restarting(let remnant):
            state = .disconnecting(remnant)
            return []
        case .disconnecting, .stopped:
            return []  // Whoever asks waits with the others; stopped, there is nothing to wait for.
        }
    }

    private mutating func stopTimedOut() -> [Effect] {
        switch state {
        case .disconnecting(.attempt), .restarting(.attempt):
            // Its connection is reset; code that ignores its cancellation is not waited for.
            [.abort, .finishStops]
        case .disconnecting(.connection), .restarting(.connection):
            [.abort]  // Then it is closed in no time.
        case .idle, .connecting, .connected, .waiting, .lingering, .overdue, .stopped:
            []  // The stop was done in time.
        }
    }

    private mutating func attemptSucceeded() -> [Effect] {
        switch state {
        case .connecting:
            state = .connected
            attempts = 0
            if resetAfter <= .zero { failures = 0 }
            return [.shareInstance]
        // It won the race against its cancellation; nobody gets to see it.
        case .waiting(.attempt):
            state = .waiting(.connection)
            return [.discard]
        case .overdue(.attempt):
            state = .overdue(.connection)
            return [.discard]
        case .disconnecting(.attempt):
            state = .disconnecting(.connection)
            return [.discard]
        case .restarting(.attempt):
            state = .restarting(.connection)
            return [.discard]
        case .idle, .connected, .waiting(nil), .waiting(.connection), .lingering,
            .overdue(.connection), .disconnecting(.connection), .restarting(.connection), .stopped:
            return []  // No attempt is under way.
        }
    }

    private mutating func attemptFailed() -> [Effect] {
        switch state {
        case .connecting:
            fail(leaving: nil)
        case .waiting, .overdue, .disconnecting, .restarting:
            gone(.attempt)
        case .idle, .connected, .lingering, .stopped:
            []  // No attempt is under way.
        }
    }

    private mutating func connectionLost(after lifetime: Duration) -> [Effect] {
        switch state {
        case .connecting:
            return [.cancelAttempt] + fail(leaving: .attempt)
        case .connected:
            if lifetime >= resetAfter { failures = 0 }
            failures += 1
            state = .lingering
            return [.withdrawInstance, .wait(afterFailures: failures)]
        case .idle, .waiting, .lingering, .overdue, .disconnecting, .restarting, .stopped:
            return []  // Known already, or it is being closed: that it is closed is what counts.
        }
    }

    private mutating func waitEnded() -> [Effect] {
        switch state {
        case .waiting(nil):
            return connect()
        case .waiting(let remnant?):
            state = .overdue(remnant)
            return []
        case .lingering:
            state = .overdue(.connection)
            return [.discard]
        case .idle, .connecting, .connected, .overdue, .disconnecting, .restarting, .stopped:
            return []  // Cancelled as it fired.
        }
    }

    /// The remnant of that kind, if there is one, is no more.
    private mutating func gone(_ remnant: Remnant) -> [Effect] {
        switch state {
        case .waiting(remnant):
            state = .waiting(nil)
            return []
        case .overdue(remnant):
            return connect()
        case .disconnecting(remnant):
            return end()
        case .restarting(remnant):
            failures = 0
            attempts = 0
            return [.finishStops] + connect()
        case .idle, .connecting, .connected, .waiting, .lingering, .overdue, .disconnecting,
            .restarting, .stopped:
            return []  // Late: there is none.
        }
    }

    private mutating func connect() -> [Effect] {
        state = .connecting
        attempts += 1
        return [.connect]
    }

    private mutating func fail(leaving remnant: Remnant?) -> [Effect] {
        failures += 1
        state = .waiting(remnant)
        return [.reportFailure, .wait(afterFailures: failures)]
    }

    private mutating func end() -> [Effect] {
        state = .stopped
        return [.end, .finishStops]
    }
}
