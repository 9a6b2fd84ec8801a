// What the tests of the reconnecting client share: a client on a clock that stands still, and a
// source of connections whose every step is the test's. A test waits for events, never for time.

import EndpointsTesting
import Logging
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

typealias ScriptedClient = ReconnectingClient<ScriptedConnection>

/// A client, what it connects to, and the time it lives by.
struct Setting {
    let source: ScriptedSource
    let clock = ManualClock()
    let client: ScriptedClient

    init(_ source: ScriptedSource = ScriptedSource(), retry: RetryPolicy = .constant(.seconds(7))) {
        self.source = source
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        client = ReconnectingClient(
            source.source,
            retry: retry,
            time: ReconnectingTime(clock),
            logger: logger
        )
    }

    /// Lets the wait before the next attempt pass.
    func passWait(_ delay: Duration = .seconds(7)) async {
        await clock.whenSleeping(for: delay)
        clock.advance(by: delay)
    }

    /// Returns when the client is in such a state.
    func reaches(_ isReached: (ReconnectingClientState) -> Bool) async {
        for await state in client.states where isReached(state) { return }
    }

    func isWaiting(_ state: ReconnectingClientState) -> Bool {
        if case .waiting = state { true } else { false }
    }

    func isStopping(_ state: ReconnectingClientState) -> Bool {
        if case .stopping = state { true } else { false }
    }

    /// Stops, and looks whether everything that was opened is closed.
    func finish() async {
        await client.stop()
        #expect(source.counts.opened == source.counts.closed)
        #expect(source.counts.mostAtOnce <= 1)
        #expect(source.counts.attemptsAtOnce == 0)
        #expect(clock.remaining.isEmpty, "no timer is left")
    }
}

extension Setting {
    /// Returns when that many callers wait for an instance.
    func hasWaiters(_ count: Int) async {
        while await client.waitingForInstance != count { await Task.yield() }
    }

    /// Returns when that many consumers wait for news.
    func hasConsumers(_ count: Int) async {
        while await client.waitingForNews != count { await Task.yield() }
    }
}

extension ReconnectingClient {
    var waitingForInstance: Int {
        waiters.values.count { if case .instance = $0.purpose { true } else { false } }
    }

    var waitingForNews: Int {
        waiters.values.count { if case .news = $0.purpose { true } else { false } }
    }
}
