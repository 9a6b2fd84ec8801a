// The seam for metrics: one object in the context, asked for when something begins or ends and never
// while bytes move. Without one each of these places costs a comparison with nil.

/// Is told what becomes of connections: for metrics, and whatever else counts.
///
/// Put one into ``EndpointContext/observer``. Each method is called on some loop's thread, or a task's,
/// and must neither wait nor take long; what is not implemented does nothing. `endpoint` is the
/// string of the endpoint that opened the socket, with secrets masked: of `tls:…` on a server, what it
/// wraps.
public protocol EndpointObserver: Sendable {
    /// A connection was accepted, or connected; a handshake may follow.
    func connectionOpened(at endpoint: String)

    /// A connection that was opened is closed.
    func connectionClosed(at endpoint: String, _ summary: ConnectionSummary)

    /// An accepted connection did not get as far as a handler: its header, handshake or source's rate.
    func connectionRefused(at endpoint: String, _ error: any Error)

    /// A handler of `serve` begins.
    ///
    /// - Parameters:
    ///   - endpoint: Where it was accepted.
    ///   - latency: How long ago that was; header and handshake are in it.
    ///   - timeline: When each phase was, and how long.
    func connectionServed(
        at endpoint: String,
        after latency: Duration,
        _ timeline: ConnectionTimeline
    )

    /// A client's connection is ready for use.
    ///
    /// - Parameters:
    ///   - endpoint: The client's endpoint, as it was asked to connect.
    ///   - duration: How long all of it took.
    ///   - timeline: When each phase was, and how long.
    func connected(to endpoint: String, after duration: Duration, _ timeline: ConnectionTimeline)

    /// An attempt of a client has failed, or was cancelled.
    func connectFailed(to endpoint: String, after duration: Duration, _ error: any Error)

    /// A ``ReconnectingClient`` waits before its next attempt.
    ///
    /// - Parameters:
    ///   - endpoint: The client's endpoint.
    ///   - delay: How long it waits.
    ///   - error: Why; `nil` if the connection just ended.
    func willReconnect(to endpoint: String, after delay: Duration, _ error: (any Error)?)
}

extension EndpointObserver {
    /// Does nothing.
    public func connectionOpened(at endpoint: String) {}
    /// Does nothing.
    public func connectionClosed(at endpoint: String, _ summary: ConnectionSummary) {}
    /// Does nothing.
    public func connectionRefused(at endpoint: String, _ error: any Error) {}
    /// Does nothing.
    public func connectionServed(
        at endpoint: String,
        after latency: Duration,
        _ timeline: ConnectionTimeline
    ) {}
    /// Does nothing.
    public func connected(
        to endpoint: String,
        after duration: Duration,
        _ timeline: ConnectionTimeline
    ) {}
    /// Does nothing.
    public func connectFailed(to endpoint: String, after duration: Duration, _ error: any Error) {}
    /// Does nothing.
    public func willReconnect(to endpoint: String, after delay: Duration, _ error: (any Error)?) {}
}

/// What there is to say of a connection when it is closed.
public struct ConnectionSummary: Sendable {
    /// How it ended: what came first.
    public var end: ConnectionEnd
    /// How many bytes were read, as the user of the connection saw them.
    public var bytesRead: Int
    /// How many bytes were written.
    public var bytesWritten: Int
}
