import EventLoop

extension Connection {
    /// On the loop, when the connection is closed; an upgraded one tells by its last form.
    nonisolated func observeClose() {
        guard let observer = origin.observer else { return }
        observer.connectionClosed(
            at: origin.endpoint,
            ConnectionSummary(
                end: end ?? .closed,
                bytesRead: bytesRead,
                bytesWritten: bytesWritten
            )
        )
    }

    /// When it is accepted, and nobody else has it.
    nonisolated func observeAccept() {
        if origin.observer != nil { makeExtras().acceptTime = loop.now }
    }

    /// When its handler begins.
    func observeHandler() {
        guard let observer = origin.observer, let acceptTime = extras?.acceptTime else { return }
        let latency = loop.now &- acceptTime
        observer.connectionServed(at: origin.endpoint, after: .nanoseconds(latency), timeline)
    }
}

extension ClientEndpoint {
    /// The same endpoint, whose attempts the context's observer is told of.
    ///
    /// A ``ReconnectingClient`` and ``withConnection(in:_:)`` tell it by themselves.
    public func observed() -> some ClientEndpoint { ObservedEndpoint(endpoint: self) }

    /// Connects, and tells the context's observer.
    package func connectObserved(in context: EndpointContext) async throws -> Connection {
        guard let observer = context.observer else { return try await connect(in: context) }
        let start = ContinuousClock.now
        do {
            let connection = try await connect(in: context)
            observer.connected(
                to: redacted,
                after: ContinuousClock.now - start,
                connection.timeline
            )
            return connection
        } catch {
            observer.connectFailed(to: redacted, after: ContinuousClock.now - start, error)
            throw error
        }
    }
}

private struct ObservedEndpoint<Inner: ClientEndpoint>: ClientEndpoint {
    package let endpoint: Inner
    var description: String { endpoint.description }
    var redacted: String { endpoint.redacted }

    func connect(in context: EndpointContext) async throws -> Connection {
        try await endpoint.connectObserved(in: context)
    }
}
