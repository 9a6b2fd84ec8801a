// What happens on the way to a connection, told also when there is none in the end: `endpoint probe`
// shows it. Each step writes down what it has done when it is over; nothing is measured for those who
// do not ask, and nothing is decided by it. Above all a certificate is refused as ever: that which is
// kept here of a refused peer is what it had sent until then.

import COpenSSL
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
    }

    /// What is known so far.
    package struct Record: Sendable {
        /// The addresses, in the order in which they were tried.
        package var attempts: [Attempt] = []
        /// When each phase began, and how long it took, whether it succeeded or not.
        package var timeline = ConnectionTimeline()
        /// Whom the TLS handshake is with.
        package var address: SocketAddress?
        /// What had been agreed on when a handshake failed, if its peer had shown a certificate.
        package var refused: TLSFacts?
    }

    private let state = Lock(Record())

    package init() {}

    package var record: Record { state.withLock { $0 } }

    func update(_ body: (inout Record) -> Void) { state.withLock { body(&$0) } }

    func tried(
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
    /// The same, with what happens on the way to a connection written down in `trace`.
    package func tracing(_ trace: ConnectTrace) -> EndpointContext {
        var context = self
        context.trace = trace
        return context
    }
}

extension TLSTransport {
    /// Writes down what a peer has presented whose certificate is being refused.
    func traceRefusal(of store: OpaquePointer) {
        // Not the session's own list, which is filled in only when all is well.
        trace(presented: TLSCertificate.array(X509_STORE_CTX_get0_untrusted(store)))
    }

    /// Writes down whom a handshake failed with, if that is known and not yet written.
    func traceFailure() {
        guard SSL_get0_peer_certificate(ssl) != nil else { return }
        trace(presented: [])
    }

    private func trace(presented: [TLSCertificate]) {
        guard case .client(let client) = side, let trace = client.trace else { return }
        let facts = TLSFacts(
            ssl,
            isServer: false,
            verifies: false,
            serverName: client.serverName.isAddress ? nil : client.serverName.text,
            presented: presented
        )
        trace.update { $0.refused = $0.refused ?? facts }
    }
}
