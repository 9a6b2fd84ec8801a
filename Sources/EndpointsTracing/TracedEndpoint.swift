// A span for each attempt to connect, made outside the core: what happened inside, phase by phase,
// is in the connection's timeline or in the error's attempts, so the children are added afterwards,
// with the times that they had.

import Endpoints
import Tracing

extension ClientEndpoint {
    /// The same endpoint, whose attempts to connect are spans (swift-distributed-tracing).
    ///
    /// A span is called `connect`, is the current one while it connects, and has a child for each
    /// phase that happened: `resolve`, `connect`, `proxy`, `handshake`. A failed attempt has its error, the
    /// `phase` in which that was, and an event for each address that was tried. Attributes follow OpenTelemetry's names where
    /// it has them: `network.peer.address`, `network.peer.port`, `error.type`; and `endpoint` is the
    /// endpoint's string with secrets masked.
    ///
    /// - Parameter tracer: Where spans go; the process's unless told.
    /// - Returns: The endpoint.
    public func traced(by tracer: (any Tracer)? = nil) -> some ClientEndpoint {
        TracedEndpoint(endpoint: self, tracer: tracer)
    }
}

private struct TracedEndpoint<Inner: ClientEndpoint>: ClientEndpoint {
    let endpoint: Inner
    let tracer: (any Tracer)?

    var description: String { endpoint.description }
    var redacted: String { endpoint.redacted }

    func connect(in context: EndpointContext) async throws -> Connection {
        let tracer: any Tracer = self.tracer ?? InstrumentationSystem.tracer
        return try await connect(in: context, tracer)
    }

    private func connect(
        in context: EndpointContext,
        _ tracer: some Tracer
    ) async throws -> Connection {
        try await tracer.withSpan("connect", ofKind: .client) { span in
            span.attributes["endpoint"] = redacted
            do {
                let connection = try await endpoint.connect(in: context)
                span.describe(connection.remoteAddress)
                tracer.addPhases(of: connection.timeline, to: span)
                return connection
            } catch let error as EndpointError {
                span.describe(error)
                throw error
            } catch {
                span.attributes["error.type"] =
                    error is CancellationError ? "cancelled" : "\(type(of: error))"
                throw error
            }
        }
    }
}

extension Tracer {
    fileprivate func addPhases(of timeline: ConnectionTimeline, to span: Span) {
        let phases: [(String, ConnectionTimeline.Phase?)] = [
            ("resolve", timeline.resolve), ("connect", timeline.connect),
            ("proxy", timeline.proxy), ("handshake", timeline.handshake),
        ]
        // The timeline is of the monotonic clock; spans are of the day's.
        let (now, today) = (ContinuousClock.now, DefaultTracerClock.now)
        for case (let name, let phase?) in phases {
            let begin = today.advanced(by: phase.start - now)
            let child = startSpan(name, context: span.context, at: begin)
            child.end(at: begin.advanced(by: phase.duration))
        }
    }
}

extension Tracing.Span {
    fileprivate func describe(_ address: SocketAddress) {
        attributes["network.peer.address"] = address.ip ?? address.path
        if let port = address.port { attributes["network.peer.port"] = Int(port) }
    }

    fileprivate func describe(_ error: EndpointError) {
        attributes["error.type"] = error.code.description
        if let phase = error.phase { attributes["phase"] = "\(phase)" }
        for attempt in error.attempts {
            let event = SpanEvent(
                name: "attempt",
                attributes: [
                    "network.peer.address": .string("\(attempt.address)"),
                    "phase": .string("\(attempt.phase)"),
                    "error.type": .string("\(attempt.error.code)"),
                    "duration": .double(attempt.duration / .seconds(1)),
                ]
            )
            addEvent(event)
        }
    }
}

extension DefaultTracerClock.Timestamp {
    fileprivate func advanced(by duration: Duration) -> Self {
        let nanoseconds = Int64(duration / .nanoseconds(1))
        return Self(nanosecondsSinceEpoch: nanosecondsSinceEpoch &+ UInt64(bitPattern: nanoseconds))
    }
}
