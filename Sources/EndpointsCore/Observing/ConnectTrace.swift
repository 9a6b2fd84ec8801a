// What happens on the way to a connection, told also when there is none in the end: `endpoint probe`
// shows it. Each step writes down what it has done when it is over; nothing is measured for those who
// do not ask, and nothing is decided by it. Above all a certificate is refused as ever: that which is
// kept here of a refused peer is what it had sent until then.

import EventLoop

/// Collects what becomes of each step while an endpoint connects; for one `connect`.
package final class ConnectTrace: Sendable {
    /// An address that was tried.
    package struct Attempt: Sendable {
        /// What became of it.
        package enum Outcome: Sendable {
            /// It answered.
            case connected
            /// It did not.
            case failed(EndpointError)
            /// It was given up before it answered: another was faster, or the time was over.
            case givenUp
        }

        package var address: SocketAddress
        package var outcome: Outcome
        /// How long it took until then.
        package var duration: Duration

        package init(address: SocketAddress, outcome: Outcome, duration: Duration) {
            self.address = address
            self.outcome = outcome
            self.duration = duration
        }
    }

    /// What is known so far.
    package struct Record: Sendable {
        /// The addresses, in the order in which they were tried.
        package var attempts: [Attempt] = []
        /// When each phase began, and how long it took, whether it succeeded or not.
        package var timeline = ConnectionTimeline()
        /// Whom the TLS handshake is with.
        package var address: SocketAddress?
        /// What a layer had found out about the peer that it then refused.
        package var refused = TypedValues()
    }

    private let state = Lock(Record())

    package init() {}

    package var record: Record { state.withLock { $0 } }

    package func update(_ body: (inout Record) -> Void) { state.withLock { body(&$0) } }

    package func tried(
        _ address: SocketAddress,
        _ outcome: Attempt.Outcome,
        since start: ContinuousClock.Instant
    ) {
        let duration = ContinuousClock.now - start
        update { record in
            let attempt = Attempt(address: address, outcome: outcome, duration: duration)
            record.attempts.append(attempt)
            record.timeline.connect = ConnectionTimeline.Phase(start: start, duration: duration)
        }
    }
}

extension EndpointContext {
    /// Where to write down what happens on the way to a connection.
    package var trace: ConnectTrace? { request.values[ConnectTrace.self] }

    /// The same, with what happens on the way to a connection written down in `trace`.
    package func tracing(_ trace: ConnectTrace) -> EndpointContext {
        var context = self
        context.request.values[ConnectTrace.self] = trace
        return context
    }
}
