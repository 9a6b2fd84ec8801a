// Standard input and output joined to a connection.
//
// The peer's end is what ends the program: our input may end long before it (then our direction is
// closed, and the answer read to its end). Input that is there when the peer ends is still sent, for
// the peer may have closed one direction only; an open input that gives nothing, such as a terminal,
// is not waited for. A signal ends our input.

import ArgumentParser
import Endpoints
import Logging

struct ConnectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract: "Sends stdin to a server and writes its answer to stdout.",
        discussion: """
            The end of stdin ends our direction; the server's end ends the program, or with
            --reconnect the connection only: stdin goes on with the next one.
            """
    )

    @Argument(help: "Where to connect to, such as tcp:example.com:80.")
    var client: String
    @Flag(help: "Connect again whenever it fails or ends, until stdin does.")
    var reconnect = false
    @Option(
        help: ArgumentHelp(
            "How long to wait before connecting again; from 1.5 to 60 and more each time unless told.",
            valueName: "seconds"
        )
    )
    var delay: Double?
    @OptionGroup var options: ToolOptions
    @OptionGroup var drain: DrainOptions

    func validate() throws {
        guard let delay else { return }
        guard reconnect else { throw ValidationError("--delay goes with --reconnect.") }
        guard delay >= 0, delay <= 1e9 else {
            throw ValidationError("--delay is a number of seconds, 0 or more.")
        }
    }

    func run() async throws {
        let endpoint = try clientFromString(client, in: options.registry)
        let logger = options.makeLogger()
        let stop = StopRequest.onSignal()
        let writer = EventWriter(
            to: .standardError,
            isJSON: options.json,
            logger: logger
        )
        // Both connections on one loop: bytes need not change threads.
        let context = EndpointContext(loops: options.makeLoops(usual: 1), logger: logger)
        if reconnect {
            let session = ReconnectingSession(
                endpoint,
                in: context,
                retry: delay.map { .constant(.seconds($0)) } ?? .exponential(),
                writer: writer,
                stop: stop,
                drain: drain.duration
            )
            return try await session.run(in: context)
        }
        do {
            let connection = try await stop.cancelling { try await endpoint.connect(in: context) }
            let start = ContinuousClock.now
            let peer = connection.remoteAddress
            writer.write(.connected(endpoint: endpoint.redacted, peer: peer))
            let session = ConnectSession(connection, stop: stop, drain: drain.duration)
            let (error, undelivered) = try await session.run(in: context)
            await connection.close()
            writer.write(.closed(await ConnectionReport(of: connection, since: start)))
            if undelivered > 0 { writer.write(.undelivered(undelivered)) }
            if let error { throw error }
            if undelivered > 0 { throw ExitStatus.failed }
        } catch let error as EndpointError where options.json {
            writer.write(.failed(peer: nil, error: "\(error)"))
            throw ExitStatus.failed
        }
    }
}

/// A connection joined to standard input and output.
struct ConnectSession {
    private enum Step: Sendable {
        case inputEnded((any Error)?)
        case peerEnded((any Error)?)
        case inputIdle
        case outputClosed
        case stopped(Bool)
        case timeIsUp
    }

    private let connection: Connection
    private let stop: StopRequest
    private let drain: Duration

    init(_ connection: Connection, stop: StopRequest, drain: Duration) {
        self.connection = connection
        self.stop = stop
        self.drain = drain
    }

    /// Moves bytes until the peer's end, or until the time after a signal is over.
    ///
    /// - Returns: What went wrong, and how many bytes of input were left unsent by that or by the peer's
    ///   end; none if it was ended by a signal, or because nobody reads the output.
    /// - Throws: ``EndpointError`` if standard input and output cannot be used.
    func run(in context: EndpointContext) async throws -> (error: (any Error)?, undelivered: Int) {
        let stdio = try await StdioEndpoint().connect(in: context)
        let sender = InputSender()
        let error = await join(stdio, sender)
        let undelivered = await sender.undelivered(to: connection)
        await stdio.close()
        if stop.isMade || error is ExitStatus { return (error, 0) }
        // A program that takes no more has exited, or will: its status says why.
        guard error.map(Self.isBrokenPipe) ?? true else { return (error, undelivered) }
        return (await connection.failureAtEnd() ?? error, undelivered)
    }

    private func join(_ stdio: Connection, _ sender: InputSender) async -> (any Error)? {
        let sending = Task { [connection] in try await sender.send(from: stdio, to: connection) }
        return await withTaskGroup(of: Step.self) { group in
            group.addTask { .inputEnded(await Self.failure(of: sending)) }
            group.addTask { [connection] in
                .peerEnded(
                    await Self.failure(of: Task { _ = try await connection.pump(to: stdio) })
                )
            }
            group.addTask { [stop] in .stopped(await stop.wait()) }
            if !OutputWatch.sharesInput { Self.watchOutput(in: &group) }
            let error = await follow(&group, sender, sending)
            group.cancelAll()
            sending.cancel()
            return error
        }
    }

    /// Goes from step to step to the end; what is still open then is of no use any more.
    private func follow(
        _ group: inout TaskGroup<Step>,
        _ sender: InputSender,
        _ sending: Task<Void, any Error>
    ) async -> (any Error)? {
        var isSent = false
        var isAnswered = false
        var sendError: (any Error)?
        for await step in group {
            switch step {
            case .inputEnded(let error):
                isSent = true
                if OutputWatch.sharesInput { Self.watchOutput(in: &group) }
                // A peer that takes no more may still have an answer under way.
                sendError = error is CancellationError ? nil : error
                if isAnswered { return sendError }
                if let error = sendError as? EndpointError, error.operation == "read" {
                    connection.abort()
                    return error
                }
            case .peerEnded(let error):
                if let error {
                    connection.abort()
                    return Self.quietIfOutputClosed(error)
                }
                if isSent { return sendError }
                isAnswered = true
                group.addTask { [sender] in
                    await sender.whenIdle(for: Self.idleTime)
                    return .inputIdle
                }
            case .inputIdle: return nil
            case .outputClosed:
                connection.abort()
                return ExitStatus.failed
            case .stopped(true):
                sending.cancel()
                group.addTask { [connection, drain] in
                    try? await connection.closeWrite()
                    try? await Task.sleep(for: drain)
                    return .timeIsUp
                }
            case .stopped(false): break
            case .timeIsUp:
                connection.abort()
                return nil
            }
        }
        return sendError
    }

    private static func watchOutput(in group: inout TaskGroup<Step>) {
        group.addTask {
            await OutputWatch.readerGone()
            return Task.isCancelled ? .stopped(false) : .outputClosed
        }
    }

    /// How long an input may give nothing before it is left, once the peer has ended.
    private static var idleTime: Duration { .milliseconds(500) }

    private static func failure(of task: Task<Void, any Error>) async -> (any Error)? {
        let result = await withTaskCancellationHandler {
            await task.result
        } onCancel: {
            task.cancel()
        }
        if case .failure(let error) = result { return error }
        return nil
    }

    /// Nobody reads our output any more: no words are needed.
    private static func quietIfOutputClosed(_ error: any Error) -> any Error {
        isBrokenPipe(error) ? ExitStatus.failed : error
    }

    private static func isBrokenPipe(_ error: any Error) -> Bool {
        (error as? EndpointError)?.isBrokenPipe == true
    }
}
