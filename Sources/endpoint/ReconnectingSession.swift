// Standard input and output joined to one connection after the other.
//
// Input is read only while there is a connection to take it, so what has not been read waits, and
// nothing of it is lost while the server is away. What was read and not yet handed over goes to the
// next connection; what a lost connection had taken is not sent again, for nobody knows how much of
// it arrived. The end of the input ends our direction of the connection there is, and that one's
// answer is the last that is read.
//
// Each connection's output is taken from where it is made, not from the client's `connections`: who
// is slow there misses those that were lost meanwhile, and with them an answer. And the client waits
// for it to be written (OutputClock.swift).

import Endpoints
import Logging

/// A client that comes back, joined to standard input and output.
struct ReconnectingSession {
    private enum Step: Sendable {
        /// All is sent, and this connection's answer is the last; `nil` if there is none to wait for.
        case inputEnded(Connection?, (any Error)?)
        case outputEnded((any Error)?)
        case outputClosed
        case stopped(Bool)
        case timeIsUp
    }
    /// What the two directions know of each other.
    private struct Progress {
        var newest: Connection?
        /// The connection whose end is the end.
        var last: Connection?
        /// Bytes of input that were read, and that no connection took.
        var undelivered = 0
    }

    private let client: ReconnectingClient<Connection>
    private let made: AsyncStream<Connection>
    private let unwritten: UnwrittenOutput
    private let progress: Lock<Progress>
    private let writer: EventWriter
    private let stop: StopRequest
    private let drain: Duration

    /// Makes a session; ``run(in:)`` connects.
    init(
        _ endpoint: any ClientEndpoint,
        in context: EndpointContext,
        retry: RetryPolicy,
        writer: EventWriter,
        stop: StopRequest,
        drain: Duration
    ) {
        let (made, maker) = AsyncStream.makeStream(of: Connection.self)
        let progress = Lock(Progress())
        let unwritten = UnwrittenOutput()
        client = Self.client(endpoint, context, retry, OutputClock(unwritten)) { connection in
            progress.withLock { $0.newest = connection }
            unwritten.begin()
            maker.yield(connection)
        }
        self.made = made
        self.unwritten = unwritten
        self.progress = progress
        self.writer = writer
        self.stop = stop
        self.drain = drain
    }

    private static func client(
        _ endpoint: some ClientEndpoint,
        _ context: EndpointContext,
        _ retry: RetryPolicy,
        _ clock: OutputClock,
        _ note: @escaping @Sendable (Connection) -> Void
    ) -> ReconnectingClient<Connection> {
        ReconnectingClient(endpoint, in: context, retry: retry, clock: clock) { connection in
            note(connection)
            return connection
        }
    }

    /// Moves bytes until the input has ended and its answer, too, or until the time after a signal is
    /// over.
    ///
    /// - Throws: The error of standard input or output.
    func run(in context: EndpointContext) async throws {
        let stdio = try await StdioEndpoint().connect(in: context)
        await client.start()
        let error = await withTaskGroup(of: Step.self) { group in
            let sending = Task { await send(from: stdio) }
            group.addTask {
                let (connection, error) = await sending.value
                return .inputEnded(connection, error)
            }
            group.addTask { .outputEnded(await receive(to: stdio)) }
            group.addTask { .stopped(await stop.wait()) }
            group.addTask {
                await OutputWatch.readerGone()
                return Task.isCancelled ? .stopped(false) : .outputClosed
            }
            group.addTask {
                await tellStates()
                return .stopped(false)
            }
            let error = await follow(&group, sending)
            group.cancelAll()
            sending.cancel()
            progress.withLock { $0.newest }?.abort()
            await client.stop(within: .zero)
            return error
        }
        await stdio.close()
        if let error { throw error }
        let undelivered = progress.withLock { $0.undelivered }
        if undelivered > 0 {
            writer.write(.undelivered(undelivered))
            throw ExitStatus.failed
        }
    }

    private func follow(
        _ group: inout TaskGroup<Step>,
        _ sending: Task<(Connection?, (any Error)?), Never>
    ) async -> (any Error)? {
        var isStopping = false
        for await step in group {
            switch step {
            case .inputEnded(_, let error?): return error
            case .inputEnded(nil, nil): if !isStopping { return nil }
            case .inputEnded(.some, nil): break
            case .outputEnded(let error): return error
            case .outputClosed: return ExitStatus.failed
            case .stopped(false): break
            case .stopped(true):
                isStopping = true
                sending.cancel()
                guard let connection = progress.withLock({ $0.newest }),
                    await connection.currentEnd == nil
                else { return nil }
                finish(with: connection)
                group.addTask {
                    try? await connection.closeWrite()
                    try? await Task.sleep(for: drain)
                    return .timeIsUp
                }
            case .timeIsUp: return nil
            }
        }
        return nil
    }

    private func finish(with connection: Connection) {
        progress.withLock { $0.last = connection }
    }

    // MARK: input

    /// Sends the input to whichever connection there is; answers the last one, if it lives.
    private func send(from stdio: Connection) async -> (Connection?, (any Error)?) {
        var pending: [UInt8] = []
        defer { progress.withLock { $0.undelivered += pending.count } }
        for await connection in client.connections {
            while await connection.currentEnd == nil {
                if pending.isEmpty {
                    do {
                        guard let chunk = try await stdio.read(atMost: 65_536) else {
                            return (await closeWrite(of: connection), nil)
                        }
                        pending = chunk
                    } catch {
                        return (nil, error is CancellationError ? nil : error)
                    }
                    // It may have ended while there was nothing to send.
                    continue
                }
                let before = await connection.byteCounts.written
                do {
                    try await connection.write(pending)
                    pending = []
                } catch {
                    let taken = await connection.byteCounts.written - before
                    // The next connection must not begin in the middle of it.
                    if taken > 0 {
                        progress.withLock { $0.undelivered += pending.count - taken }
                        pending = []
                    }
                    break
                }
            }
        }
        return (nil, nil)
    }

    private func closeWrite(of connection: Connection) async -> Connection? {
        finish(with: connection)
        try? await connection.closeWrite()
        return connection
    }

    // MARK: output

    /// Writes what each connection brings, until the last one's end; answers what kept it from that.
    private func receive(to stdio: Connection) async -> (any Error)? {
        for await connection in made {
            let start = ContinuousClock.now
            writer.write(
                .connected(endpoint: client.description, peer: connection.remoteAddress)
            )
            let failure = await copy(connection, to: stdio)
            unwritten.end()
            writer.write(.closed(await ConnectionReport(of: connection, since: start)))
            if let failure { return failure }
            if progress.withLock({ $0.last === connection }) { return nil }
        }
        return nil
    }

    /// Copies until the connection ends, however it does; answers why the output takes no more.
    private func copy(_ connection: Connection, to stdio: Connection) async -> (any Error)? {
        var buffer = ReadBuffer()
        while let count = try? await connection.read(into: &buffer), count > 0 {
            do { try await stdio.write(buffer) } catch {
                let name = (error as? EndpointError)?.systemError?.name
                return name == "EPIPE" ? ExitStatus.failed : error
            }
            buffer.removeAll()
        }
        return nil
    }

    // MARK: news

    private func tellStates() async {
        for await state in client.states {
            guard case .waiting(let delay, let error) = state else { continue }
            if progress.withLock({ $0.last != nil }) { continue }
            writer.write(.waiting(for: delay, after: error.map { "\($0)" }))
        }
    }
}
