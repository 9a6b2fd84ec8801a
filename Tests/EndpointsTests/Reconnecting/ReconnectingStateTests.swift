import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Reconnecting state")
struct ReconnectingStateTests {
    typealias State = ReconnectingState.State
    typealias Event = ReconnectingState.Event
    typealias Effect = ReconnectingState.Effect

    /// Every state, and events that lead there.
    static let paths: [State: [Event]] = [
        .idle: [],
        .connecting: [.start],
        .connected: [.start, .attemptSucceeded],
        .waiting(nil): [.start, .attemptFailed],
        .waiting(.attempt): [.start, lost],
        .waiting(.connection): [.start, lost, .attemptSucceeded],
        .lingering: [.start, .attemptSucceeded, lost],
        .overdue(.attempt): [.start, lost, .waitEnded],
        .overdue(.connection): [.start, .attemptSucceeded, lost, .waitEnded],
        .disconnecting(.attempt): [.start, .stop],
        .disconnecting(.connection): [.start, .attemptSucceeded, .stop],
        .restarting(.attempt): [.start, .stop, .start],
        .restarting(.connection): [.start, .attemptSucceeded, .stop, .start],
        .stopped: [.stop],
    ]

    static let lost = Event.connectionLost(after: .zero)
    static let events: [Event] = [
        .start, .stop, .stopTimedOut, .attemptSucceeded, .attemptFailed, lost, .connectionClosed,
        .waitEnded,
    ]

    /// What each event does; a pair that is not here changes nothing and asks for nothing.
    static let table: [State: [Event: (State, [Effect])]] = [
        .idle: [
            .start: (.connecting, [.connect]),
            .stop: (.stopped, [.end, .finishStops]),
        ],
        .connecting: [
            .stop: (.disconnecting(.attempt), [.cancelAttempt]),
            .attemptSucceeded: (.connected, [.shareInstance]),
            .attemptFailed: (.waiting(nil), [.reportFailure, .wait(afterFailures: 1)]),
            lost: (
                .waiting(.attempt), [.cancelAttempt, .reportFailure, .wait(afterFailures: 1)]
            ),
        ],
        .connected: [
            .stop: (.disconnecting(.connection), [.withdrawInstance, .close]),
            lost: (.lingering, [.withdrawInstance, .wait(afterFailures: 1)]),
        ],
        .waiting(nil): [
            .stop: (.stopped, [.cancelWait, .end, .finishStops]),
            .waitEnded: (.connecting, [.connect]),
        ],
        .waiting(.attempt): [
            .stop: (.disconnecting(.attempt), [.cancelWait]),
            .attemptSucceeded: (.waiting(.connection), [.discard]),
            .attemptFailed: (.waiting(nil), []),
            .waitEnded: (.overdue(.attempt), []),
        ],
        .waiting(.connection): [
            .stop: (.disconnecting(.connection), [.cancelWait]),
            .connectionClosed: (.waiting(nil), []),
            .waitEnded: (.overdue(.connection), []),
        ],
        .lingering: [
            .stop: (.disconnecting(.connection), [.cancelWait, .discard]),
            .waitEnded: (.overdue(.connection), [.discard]),
        ],
        .overdue(.attempt): [
            .stop: (.disconnecting(.attempt), []),
            .attemptSucceeded: (.overdue(.connection), [.discard]),
            .attemptFailed: (.connecting, [.connect]),
        ],
        .overdue(.connection): [
            .stop: (.disconnecting(.connection), []),
            .connectionClosed: (.connecting, [.connect]),
        ],
        .disconnecting(.attempt): [
            .start: (.restarting(.attempt), []),
            .stopTimedOut: (.disconnecting(.attempt), [.abort, .finishStops]),
            .attemptSucceeded: (.disconnecting(.connection), [.discard]),
            .attemptFailed: (.stopped, [.end, .finishStops]),
        ],
        .disconnecting(.connection): [
            .start: (.restarting(.connection), []),
            .stopTimedOut: (.disconnecting(.connection), [.abort]),
            .connectionClosed: (.stopped, [.end, .finishStops]),
        ],
        .restarting(.attempt): [
            .stop: (.disconnecting(.attempt), []),
            .stopTimedOut: (.restarting(.attempt), [.abort, .finishStops]),
            .attemptSucceeded: (.restarting(.connection), [.discard]),
            .attemptFailed: (.connecting, [.finishStops, .connect]),
        ],
        .restarting(.connection): [
            .stop: (.disconnecting(.connection), []),
            .stopTimedOut: (.restarting(.connection), [.abort]),
            .connectionClosed: (.connecting, [.finishStops, .connect]),
        ],
        .stopped: [
            .start: (.connecting, [.connect])
        ],
    ]

    private func machine(in state: State, resetAfter: Duration = .zero) throws -> ReconnectingState
    {
        var machine = ReconnectingState(resetAfter: resetAfter)
        for event in try #require(Self.paths[state]) { _ = machine.handle(event) }
        try #require(machine.state == state)
        return machine
    }

    @Test("every event has its one result in every state", arguments: paths.keys, events)
    func everyPair(state: State, event: Event) throws {
        var machine = try machine(in: state)
        let effects = machine.handle(event)
        let expected = Self.table[state]?[event] ?? (state, [])
        #expect(machine.state == expected.0)
        #expect(effects == expected.1)
    }

    @Test("what is seen from outside, in every state")
    func phases() throws {
        let expected: [State: ReconnectingState.Phase] = [
            .idle: .idle,
            .connecting: .connecting(attempt: 1),
            .connected: .connected,
            .waiting(nil): .waiting(failures: 1),
            .waiting(.attempt): .waiting(failures: 1),
            .waiting(.connection): .waiting(failures: 1),
            .lingering: .waiting(failures: 1),
            .overdue(.attempt): .waiting(failures: 1),
            .overdue(.connection): .waiting(failures: 1),
            .disconnecting(.attempt): .stopping,
            .disconnecting(.connection): .stopping,
            .restarting(.attempt): .stopping,
            .restarting(.connection): .stopping,
            .stopped: .stopped,
        ]
        for state in Self.paths.keys {
            #expect(try machine(in: state).phase == expected[state])
        }
    }

    @Test("failures are counted from the last success")
    func failures() {
        var machine = ReconnectingState()
        _ = machine.handle(.start)
        for failures in 1...5 {
            #expect(machine.attempts == failures)
            #expect(machine.handle(.attemptFailed).last == .wait(afterFailures: failures))
            _ = machine.handle(.waitEnded)
        }
        _ = machine.handle(.attemptSucceeded)
        #expect(machine.failures == 0 && machine.attempts == 0)
        #expect(machine.handle(Self.lost).last == .wait(afterFailures: 1))
    }

    @Test("a start sets the failures back to none")
    func startResets() {
        for path: [Event] in [
            [.start, .attemptFailed, .waitEnded, .attemptFailed, .stop, .start],
            [.start, .attemptFailed, .waitEnded, .stop, .start, .attemptFailed],
        ] {
            var machine = ReconnectingState()
            for event in path { _ = machine.handle(event) }
            #expect(machine.phase == .connecting(attempt: 1))
            #expect(machine.failures == 0)
        }
    }

    @Test(
        "a connection that dies early does not set the failures back",
        arguments: [(0, 3), (9, 3), (10, 1), (11, 1)]
    )
    func resetAfter(seconds: Int, failures: Int) {
        var machine = ReconnectingState(resetAfter: .seconds(10))
        let path: [Event] = [
            .start, .attemptFailed, .waitEnded, .attemptFailed, .waitEnded, .attemptSucceeded,
        ]
        for event in path { _ = machine.handle(event) }
        let effects = machine.handle(.connectionLost(after: .seconds(seconds)))
        #expect(effects.last == .wait(afterFailures: failures))
    }

    @Test("a random walk never breaks what must always hold", arguments: 0..<200 as Range<UInt64>)
    func randomWalk(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        var world = World()
        for _ in 0..<500 {
            let event = try #require(world.possibleEvents.randomElement(using: &random))
            try world.happen(event)
        }
        try world.settle()
    }

    /// A model of what the machine decides about: everything that can be open or run.
    private struct World {
        enum Attempt { case none, running, cancelled }
        enum Connection { case none, open, closing }

        var machine = ReconnectingState()
        var attempt = Attempt.none
        var connection = Connection.none
        var isTimerRunning = false
        var isInstanceShared = false
        var stopsWaiting = 0
        var opened = 0
        var closed = 0

        var possibleEvents: [Event] {
            var events: [Event] = [.start, .stop]
            if stopsWaiting > 0 { events.append(.stopTimedOut) }
            if attempt != .none { events += [.attemptSucceeded, .attemptFailed] }
            // While being prepared, or later; it may come late, as the connection is being closed.
            if attempt != .none || connection != .none {
                events.append(.connectionLost(after: .seconds(1)))
            }
            if connection == .closing { events.append(.connectionClosed) }
            if isTimerRunning { events.append(.waitEnded) }
            return events
        }

        mutating func happen(_ event: Event) throws {
            switch event {
            case .attemptSucceeded:
                opened += 1
                (attempt, connection) = (.none, .open)
            case .attemptFailed: attempt = .none
            case .connectionClosed:
                closed += 1
                connection = .none
            case .waitEnded: isTimerRunning = false
            case .start, .stop, .stopTimedOut, .connectionLost: break
            }
            for effect in machine.handle(event) { try perform(effect) }
            if event == .stop, case .disconnecting = machine.state { stopsWaiting += 1 }
            try check()
        }

        mutating func perform(_ effect: Effect) throws {
            switch effect {
            case .connect:
                try #require(attempt == .none && connection == .none, "one at most")
                attempt = .running
            case .cancelAttempt:
                try #require(attempt == .running)
                attempt = .cancelled
            case .shareInstance:
                try #require(connection == .open && !isInstanceShared)
                isInstanceShared = true
            case .withdrawInstance: isInstanceShared = false
            case .reportFailure: try #require(!isInstanceShared)
            case .wait:
                try #require(!isTimerRunning)
                isTimerRunning = true
            case .cancelWait:
                try #require(isTimerRunning)
                isTimerRunning = false
            case .close, .discard:
                try #require(connection == .open, "closed once")
                connection = .closing
            case .abort: try #require(stopsWaiting > 0)
            case .finishStops: stopsWaiting = 0
            case .end: try #require(attempt == .none && connection == .none && !isTimerRunning)
            }
        }

        func check() throws {
            try #require(attempt == .none || connection == .none, "one at most")
            try #require(opened - closed == (connection == .none ? 0 : 1), "every one is closed")
            try #require(isInstanceShared == (machine.state == .connected))
            switch machine.state {
            case .idle, .stopped:
                try #require(attempt == .none && connection == .none && !isTimerRunning)
                try #require(stopsWaiting == 0)
            case .connecting: try #require(attempt == .running && !isTimerRunning)
            case .connected: try #require(connection == .open && !isTimerRunning)
            case .lingering: try #require(connection == .open && isTimerRunning)
            case .waiting(nil): try #require(attempt == .none && connection == .none)
            case .waiting(.attempt), .overdue(.attempt), .disconnecting(.attempt),
                .restarting(.attempt):
                try #require(attempt == .cancelled)
            case .waiting(.connection), .overdue(.connection), .disconnecting(.connection),
                .restarting(.connection):
                try #require(connection == .closing)
            }
        }

        /// A stop ends in `stopped`, whatever was before.
        mutating func settle() throws {
            try happen(.stop)
            if attempt != .none { try happen(.attemptSucceeded) }
            if connection == .closing { try happen(.connectionClosed) }
            if machine.state == .idle { return }
            try #require(machine.state == .stopped)
        }
    }
}
