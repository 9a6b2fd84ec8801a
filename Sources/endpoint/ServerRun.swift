// What `echo` and `relay` have in common: listen on all, say where, serve until a signal, drain. SIGHUP
// has certificates read again meanwhile; the listeners and their connections do not notice.
//
// A connection that fails is no failure of a server. But standard input and output are the one
// connection of a pipeline's part: what becomes of them is what becomes of the command.

import Endpoints
import Logging
import Synchronization

/// A command that serves, from its strings to its end.
struct ServerRun: Sendable {
    typealias Handler = @Sendable (isolated Connection) async throws -> Void

    let context: EndpointContext
    let writer: EventWriter
    private let servers: [any ServerEndpoint]
    /// Set if standard input and output are served: why that came to nothing.
    private let failure: FirstFailure?
    private let isJSON: Bool
    /// Whether standard input and output are served.
    var servesStdio: Bool { failure != nil }
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
        self.servers = try servers.map { try serverFromString($0, in: options.registry) }
        let registry = options.registry
        let servesStdio = try servers.contains { try registry.explain($0, as: .server).usesStdio }
        let usesStdio =
            try servesStdio || clients.contains { try registry.explain($0, as: .client).usesStdio }
        failure = servesStdio ? FirstFailure() : nil
        isJSON = options.json
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
            logger: logger
        )
        var context = EndpointContext(loops: options.makeLoops(), logger: logger)
        context.observer = failure
        self.context = context
        self.drain = drain
    }

    /// Serves until all listeners have ended, or until a signal and what `drain` allows after it.
    ///
    /// - Throws: The ``EndpointError`` of a listener, or of the connection that is standard input and
    ///   output.
    func run(_ handler: @escaping Handler) async throws {
        let listeners = try await stop.cancelling { try await listenOnAll() }
        tell(of: listeners)
        let serving = Task {
            let isObserved = writer.tellsConnections || failure != nil
            try await serve(on: listeners, isObserved ? observed(handler) : handler)
        }
        let reloading = Task.detached { for await _ in hangUps { reload() } }
        defer { reloading.cancel() }
        let isWatched = writer.tellsConnections && failure == nil
        let watching = isWatched ? watchFailures(of: listeners) : nil
        let stopping = Task {
            if await stop.wait() { await end(listeners) }
        }
        let result = await serving.result
        if !stop.isMade { stopping.cancel() }
        await stopping.value
        await watching?.value
        try result.get()
        if !stop.isMade, let error = failure?.error {
            if isJSON { writer.write(.failed(peer: nil, error: "\(error)")) }
            // Nobody reads our output any more: no words are needed.
            let isOutput = (error as? EndpointError)?.endpoint?.hasPrefix("stdio:") == true
            let isQuiet = isOutput && (error as? EndpointError)?.isBrokenPipe == true
            throw isJSON || isQuiet ? ExitStatus.failed : error
        }
    }

    /// Tells of a connection that came to nothing; of standard input and output at the end.
    func tell(of error: any Error, from peer: SocketAddress?) {
        if let failure { return failure.note(error) }
        writer.write(.failed(peer: peer, error: "\(error)"))
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

    private func tell(of listeners: [Listener]) {
        for (server, listener) in zip(servers, listeners) {
            for address in listener.addresses {
                let endpoint = server.bound(to: address).redacted
                writer.write(.listening(endpoint: endpoint, address: address))
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
        { [writer, failure] connection in
            let start = ContinuousClock.now
            writer.write(.accepted(peer: connection.remoteAddress))
            do { try await handler(connection) } catch {
                failure?.note(error)
                writer.write(.closed(ConnectionReport(of: connection, since: start)))
                throw error
            }
            writer.write(.closed(ConnectionReport(of: connection, since: start)))
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
                            tell(of: error, from: peer)
                        }
                    }
                }
            }
        }
    }

    private func end(_ listeners: [Listener]) async {
        context.logger.info("draining", metadata: ["limit": "\(drain)"])
        await withDiscardingTaskGroup { group in
            for listener in listeners {
                group.addTask {
                    let drained = await listener.drain(within: drain)
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

/// Why the one connection that matters came to nothing.
private final class FirstFailure: EndpointObserver {
    private let first = Mutex<(any Error)?>(nil)

    var error: (any Error)? { first.withLock { $0 } }

    func connectionRefused(at endpoint: String, _ error: any Error) { note(error) }

    func note(_ error: any Error) {
        if error is CancellationError { return }
        first.withLock { $0 = $0 ?? error }
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
