// What `echo` and `relay` have in common: listen on all, say where, serve until a signal, drain. SIGHUP
// has certificates read again meanwhile; the listeners and their connections do not notice.

import Endpoints
import Logging

/// A command that serves, from its strings to its end.
struct ServerRun: Sendable {
    typealias Handler = @Sendable (isolated Connection) async throws -> Void

    let context: EndpointContext
    let writer: EventWriter
    private let servers: [any ServerEndpoint]
    private let stop: StopRequest
    private let drain: Duration
    private let hangUps: AsyncStream<Void>

    /// Reads the strings; nothing is opened.
    ///
    /// - Throws: ``EndpointStringError``.
    init(
        servers: [String],
        clients: [String] = [],
        _ options: ToolOptions,
        drain: Duration
    ) throws {
        self.servers = try servers.map { try serverFromString($0) }
        let usesStdio =
            try servers.contains {
                try EndpointRegistry.standard.explain($0, as: .server).usesStdio
            }
            || clients.contains { try EndpointRegistry.standard.explain($0, as: .client).usesStdio }
        let logger = options.makeLogger()
        DescriptorLimit.raise(logger)
        stop = StopRequest.onSignal()
        // Two that come at once are one.
        let (hangUps, hangUp) = AsyncStream.makeStream(
            of: Void.self,
            bufferingPolicy: .bufferingNewest(1)
        )
        self.hangUps = hangUps
        Signals.handleHangUp { hangUp.yield() }
        writer = EventWriter(
            to: usesStdio ? .standardError : .standardOutput,
            isJSON: options.json,
            logger: logger,
            stop: stop
        )
        context = EndpointContext(loops: options.makeLoops(), logger: logger)
        self.drain = drain
    }

    /// Serves until all listeners have ended, or until a signal and what `drain` allows after it.
    ///
    /// - Throws: The ``EndpointError`` of a listener; ``ExitStatus/failed`` if nobody reads the output.
    func run(_ handler: @escaping Handler) async throws {
        let listeners = try await stop.cancelling { try await listenOnAll() }
        await tell(of: listeners)
        let serving = Task {
            try await serve(on: listeners, writer.tellsConnections ? observed(handler) : handler)
        }
        let reloading = Task.detached { for await _ in hangUps { reload() } }
        defer { reloading.cancel() }
        let watching = writer.tellsConnections ? watchFailures(of: listeners) : nil
        let stopping = Task {
            if let reason = await stop.wait() { await end(listeners, for: reason) }
        }
        let result = await serving.result
        if stop.reason == nil { stopping.cancel() }
        await stopping.value
        await watching?.value
        try result.get()
        if let reason = stop.reason, reason.status != .done { throw reason.status }
    }

    private func listenOnAll() async throws -> [Listener] {
        var listeners: [Listener] = []
        do {
            for server in servers { listeners.append(try await server.listen(in: context)) }
            return listeners
        } catch {
            for listener in listeners { await listener.close() }
            throw error
        }
    }

    private func tell(of listeners: [Listener]) async {
        for (server, listener) in zip(servers, listeners) {
            for address in listener.addresses {
                let bound = (server as? any BindableEndpoint)?.bound(to: address)
                let endpoint = (bound ?? server).redacted
                await writer.write(.listening(endpoint: endpoint, address: address))
            }
        }
    }

    /// Has all servers read their files again, and says in the log how that went.
    private func reload() {
        let reloadable = servers.filter { $0.isReloadable }
        if reloadable.isEmpty { context.logger.notice("nothing to reload") }
        for server in reloadable {
            do {
                try server.reload(logger: context.logger)
                context.logger.notice("reloaded", metadata: ["endpoint": "\(server.redacted)"])
            } catch {
                context.logger.error(
                    "not reloaded, what was read before stays",
                    metadata: ["endpoint": "\(server.redacted)", "reason": "\(error)"]
                )
            }
        }
    }

    /// The handler, and an event before and after it.
    private func observed(_ handler: @escaping Handler) -> Handler {
        { [writer] connection in
            let start = ContinuousClock.now
            await writer.write(.accepted(peer: connection.remoteAddress))
            do { try await handler(connection) } catch {
                await writer.write(.closed(ConnectionReport(of: connection, since: start)))
                throw error
            }
            await writer.write(.closed(ConnectionReport(of: connection, since: start)))
        }
    }

    private func watchFailures(of listeners: [Listener]) -> Task<Void, Never> {
        let streams = listeners.map(\.events)
        return Task {
            await withDiscardingTaskGroup { group in
                for stream in streams {
                    group.addTask {
                        for await event in stream {
                            guard case .failed(let peer, let error) = event else { continue }
                            await writer.write(.failed(peer: peer, error: "\(error)"))
                        }
                    }
                }
            }
        }
    }

    private func end(_ listeners: [Listener], for reason: StopRequest.Reason) async {
        let limit = if case .signal = reason { drain } else { Duration.zero }
        context.logger.info("draining", metadata: ["limit": "\(limit)"])
        await withDiscardingTaskGroup { group in
            for listener in listeners {
                group.addTask {
                    let drained = await listener.drain(within: limit)
                    context.logger.info(
                        "drained",
                        metadata: [
                            "finished": "\(drained.finished)", "aborted": "\(drained.aborted)",
                        ]
                    )
                }
            }
        }
    }
}

extension EndpointExplanation {
    /// Whether it, or an endpoint in it, is the program's standard input and output.
    var usesStdio: Bool {
        if kind == StdioEndpoint.kind { return true }
        return arguments.contains { argument in
            if case .endpoint(let inner) = argument.value { inner.usesStdio } else { false }
        }
    }
}
