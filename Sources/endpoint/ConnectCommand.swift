// Standard input and output joined to a connection.
//
// The peer's end is what ends the program: our input may end long before it (then our direction is
// closed, and the answer read to its end), and an input that is still open then, such as a terminal,
// is not waited for. A signal ends our input.

import ArgumentParser
import Endpoints
import Logging

struct ConnectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract: "Sends stdin to a server and writes its answer to stdout.",
        discussion: "The end of stdin ends our direction; the server's end ends the program."
    )

    @Argument(help: "Where to connect to, such as tcp:example.com:80.")
    var client: String
    @OptionGroup var options: ToolOptions
    @OptionGroup var drain: DrainOptions

    func run() async throws {
        let endpoint = try clientFromString(client)
        let logger = options.makeLogger()
        let stop = StopRequest.onSignal()
        let writer = EventWriter(
            to: .standardError,
            isJSON: options.json,
            logger: logger,
            stop: stop
        )
        // Both connections on one loop: bytes need not change threads.
        let context = EndpointContext(loops: options.makeLoops(usual: 1), logger: logger)
        do {
            let connection = try await stop.cancelling { try await endpoint.connect(in: context) }
            let start = ContinuousClock.now
            let peer = connection.remoteAddress
            await writer.write(.connected(endpoint: "\(endpoint)", peer: peer))
            let session = ConnectSession(connection, stop: stop, drain: drain.duration)
            let result = await session.run(in: context)
            await connection.close()
            await writer.write(.closed(ConnectionReport(of: connection, since: start)))
            try result.get()
        } catch let error as EndpointError where options.json {
            await writer.write(.failed(peer: nil, error: "\(error)"))
            throw ExitStatus.failed
        }
    }
}

/// A connection joined to standard input and output.
struct ConnectSession {
    private enum Step: Sendable {
        case inputEnded((any Error)?)
        case peerEnded((any Error)?)
        case stopped(StopRequest.Reason?)
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
    func run(in context: EndpointContext) async -> Result<Void, any Error> {
        do {
            let stdio = try await StdioEndpoint().connect(in: context)
            let error = await join(stdio)
            await stdio.close()
            return error.map { .failure($0) } ?? .success(())
        } catch {
            return .failure(error)
        }
    }

    private func join(_ stdio: Connection) async -> (any Error)? {
        let sending = Task { [connection] in _ = try await stdio.pump(to: connection) }
        return await withTaskGroup(of: Step.self) { group in
            group.addTask { .inputEnded(await Self.failure(of: sending)) }
            group.addTask { [connection] in
                .peerEnded(
                    await Self.failure(of: Task { _ = try await connection.pump(to: stdio) })
                )
            }
            group.addTask { [stop] in .stopped(await stop.wait()) }
            let error = await follow(&group, sending)
            group.cancelAll()
            sending.cancel()
            connection.abort()
            return error
        }
    }

    private func follow(
        _ group: inout TaskGroup<Step>,
        _ sending: Task<Void, any Error>
    ) async -> (any Error)? {
        var sendError: (any Error)?
        for await step in group {
            switch step {
            case .inputEnded(let error):
                // A peer that takes no more may still have an answer under way.
                sendError = error is CancellationError ? nil : error
                if let error = sendError as? EndpointError, error.operation == "read" {
                    return error
                }
            case .peerEnded(let error):
                return error.map(Self.quietIfOutputClosed) ?? sendError
            case .stopped(.some):
                sending.cancel()
                group.addTask { [connection, drain] in
                    try? await connection.closeWrite()
                    try? await Task.sleep(for: drain)
                    return .timeIsUp
                }
            case .stopped(nil): break
            case .timeIsUp: return nil
            }
        }
        return sendError
    }

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
        guard let failure = error as? EndpointError, failure.operation == "write",
            failure.systemError?.name == "EPIPE"
        else { return error }
        return ExitStatus.failed
    }
}
