// What the core tells, as metrics of swift-metrics.
//
// A handle is made once for each endpoint and kept, since making one may be expensive. Strings of
// clients' endpoints can come from outside and have no end, so only the first so many get a dimension
// of their own; the rest share one.

import Endpoints
import EventLoop
import Metrics

/// Counts connections, for the backend that the program has chosen (swift-metrics).
///
/// ```swift
/// var context = EndpointContext()
/// context.observer = EndpointMetrics()
/// ```
///
/// | metric | what | kind | dimensions |
/// |---|---|---|---|
/// | `endpoints.connections.opened` | accepted or connected | counter | `endpoint` |
/// | `endpoints.connections.closed` | closed again | counter | `endpoint` |
/// | `endpoints.connections.live` | open now | meter | `endpoint` |
/// | `endpoints.connections.failed` | what failed, and its `EndpointError.code` | counter | `endpoint`, `step`, `reason` |
/// | `endpoints.bytes.read`, `.written` | counted when a connection is closed | counter | `endpoint` |
/// | `endpoints.accept` | from accept(2) until the handler begins | timer | `endpoint` |
/// | `endpoints.handshake` | TLS, when the connection is ready | timer | `endpoint` |
/// | `endpoints.connect` | all of connecting | timer | `endpoint` |
/// | `endpoints.reconnects` | waits of a `ReconnectingClient` | counter | `endpoint` |
/// | `endpoints.loop.lag` | see ``reportLoopLag(of:every:)`` | timer | `loop` |
///
/// `step` is `accept` for what did not get as far as its handler, `connect` for what a client could not
/// make, `connection` for an opened connection that ended by a failure. A handshake that fails is counted
/// by the first or second, and by the third as well: do not add them up.
public final class EndpointMetrics: EndpointObserver {
    private struct Handles {
        let opened: Counter
        let closed: Counter
        let live: Meter
        let bytesRead: Counter
        let bytesWritten: Counter
        let accept: Metrics.Timer
        let handshake: Metrics.Timer
        let connect: Metrics.Timer
        let reconnects: Counter

        init(_ endpoint: String, _ factory: any MetricsFactory) {
            let dimensions = [("endpoint", endpoint)]
            func counter(_ name: String) -> Counter {
                Counter(label: "endpoints.\(name)", dimensions: dimensions, factory: factory)
            }
            func timer(_ name: String) -> Metrics.Timer {
                Metrics.Timer(label: "endpoints.\(name)", dimensions: dimensions, factory: factory)
            }
            opened = counter("connections.opened")
            closed = counter("connections.closed")
            live = Meter(
                label: "endpoints.connections.live",
                dimensions: dimensions,
                factory: factory
            )
            bytesRead = counter("bytes.read")
            bytesWritten = counter("bytes.written")
            accept = timer("accept")
            handshake = timer("handshake")
            connect = timer("connect")
            reconnects = counter("reconnects")
        }
    }
    private struct Failure: Hashable {
        var endpoint: String
        var step: String
        var reason: String
    }
    private struct State {
        /// The endpoints that have metrics of their own, whether they ever had a connection or not.
        var named: Set<String> = []
        var handles: [String: Handles] = [:]
        var failures: [Failure: Counter] = [:]

        mutating func name(of endpoint: String, atMost limit: Int) -> String {
            if named.contains(endpoint) { return endpoint }
            if named.count >= limit { return "other" }
            named.insert(endpoint)
            return endpoint
        }
    }
    private let state = Lock(State())
    private let factory: any MetricsFactory
    private let mostEndpoints: Int

    /// Makes an observer.
    ///
    /// - Parameters:
    ///   - factory: Where the metrics go; the process's unless told.
    ///   - mostEndpoints: How many endpoints have metrics of their own; what comes after them counts
    ///     as the endpoint `other`.
    public init(factory: any MetricsFactory = MetricsSystem.factory, mostEndpoints: Int = 1000) {
        self.factory = factory
        self.mostEndpoints = mostEndpoints
    }

    private func handles(of endpoint: String) -> Handles {
        state.withLock { state in
            if let handles = state.handles[endpoint] { return handles }
            let name = state.name(of: endpoint, atMost: mostEndpoints)
            if let handles = state.handles[name] { return handles }
            let handles = Handles(name, factory)
            state.handles[name] = handles
            return handles
        }
    }

    private func countFailure(_ endpoint: String, _ step: String, _ error: any Error) {
        let counter = state.withLock { state in
            let failure = Failure(
                endpoint: state.name(of: endpoint, atMost: mostEndpoints),
                step: step,
                reason: Self.reason(of: error)
            )
            if let counter = state.failures[failure] { return counter }
            let counter = Counter(
                label: "endpoints.connections.failed",
                dimensions: [
                    ("endpoint", failure.endpoint), ("step", step), ("reason", failure.reason),
                ],
                factory: factory
            )
            state.failures[failure] = counter
            return counter
        }
        counter.increment()
    }

    func loopLagTimer(_ index: Int) -> Metrics.Timer {
        Metrics.Timer(
            label: "endpoints.loop.lag",
            dimensions: [("loop", "\(index)")],
            factory: factory
        )
    }

    private static func reason(of error: any Error) -> String {
        switch error {
        case let error as EndpointError: error.code.description
        case is CancellationError: "cancelled"
        case is TimeoutError: EndpointError.Code.timedOut.description
        default: "other"
        }
    }

    // MARK: what the core tells

    /// Counts the connection.
    public func connectionOpened(at endpoint: String) {
        let handles = handles(of: endpoint)
        handles.opened.increment()
        handles.live.increment()
    }

    /// Counts the connection, its bytes, and its failure if it ended by one.
    public func connectionClosed(at endpoint: String, _ summary: ConnectionSummary) {
        let handles = handles(of: endpoint)
        handles.closed.increment()
        handles.live.decrement()
        handles.bytesRead.increment(by: summary.bytesRead)
        handles.bytesWritten.increment(by: summary.bytesWritten)
        switch summary.end {
        case .closed, .peerClosed: break
        case .truncated:
            countFailure(endpoint, "connection", EndpointError(.truncated, operation: "read"))
        case .failed(let error): countFailure(endpoint, "connection", error)
        }
    }

    /// Counts the failure.
    public func connectionRefused(at endpoint: String, _ error: any Error) {
        countFailure(endpoint, "accept", error)
    }

    /// Records how long it took.
    public func connectionServed(
        at endpoint: String,
        after latency: Duration,
        _ timeline: ConnectionTimeline
    ) {
        let handles = handles(of: endpoint)
        handles.accept.record(duration: latency)
        if let handshake = timeline.handshake {
            handles.handshake.record(duration: handshake.duration)
        }
    }

    /// Records how long it took.
    public func connected(
        to endpoint: String,
        after duration: Duration,
        _ timeline: ConnectionTimeline
    ) {
        let handles = handles(of: endpoint)
        handles.connect.record(duration: duration)
        if let handshake = timeline.handshake {
            handles.handshake.record(duration: handshake.duration)
        }
    }

    /// Counts the failure.
    public func connectFailed(to endpoint: String, after duration: Duration, _ error: any Error) {
        countFailure(endpoint, "connect", error)
    }

    /// Counts the wait.
    public func willReconnect(to endpoint: String, after delay: Duration, _ error: (any Error)?) {
        handles(of: endpoint).reconnects.increment()
    }
}
