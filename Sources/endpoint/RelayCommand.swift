// Each accepted connection is joined to a new one. If that cannot be made, the client is closed at
// once: it shall not wait for an answer that cannot come.

import ArgumentParser
import Endpoints

struct RelayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "relay",
        abstract: "Joins each client to a new connection to somewhere else.",
        discussion: """
            Bytes go both ways; the end of one direction is passed on and leaves the other open.
            """
    )

    @Argument(help: "Where to listen, such as tcp:8080.")
    var server: String
    @Argument(help: "Where to connect to for each client, such as unix:/run/app.sock.")
    var client: String
    @Option(
        help: ArgumentHelp(
            "Time limit for a pair of which one side has ended; traffic extends it.",
            valueName: "seconds"
        )
    )
    var halfClose = 60.0
    @OptionGroup var options: ToolOptions
    @OptionGroup var drain: DrainOptions

    func validate() throws {
        guard halfClose > 0, halfClose <= 1e9 else {
            throw ValidationError("--half-close is a number of seconds greater than 0.")
        }
    }

    func run() async throws {
        let upstream = try clientFromString(client, in: options.registry)
        let run = try ServerRun(
            servers: [server],
            clients: [client],
            options,
            drain: drain.duration
        )
        try await run.run { connection in
            let other: Connection
            do {
                other = try await connection.whileItLasts {
                    try await upstream.connect(in: run.context.relaying(connection))
                }
            } catch {
                if error is CancellationError { throw error }
                return run.tell(of: error, from: connection.remoteAddress)
            }
            do {
                try await relay(between: connection, and: other, halfClose: .seconds(halfClose))
                if run.servesStdio, let error = await other.failureAtEnd() { throw error }
            } catch {
                other.abort()
                throw error
            }
            await other.close()
        }
    }
}

extension Connection {
    /// Connects for this connection, and stops when that has failed meanwhile.
    ///
    /// A peer that has ended its stream may still wait for the answer, so that stops nothing.
    fileprivate func whileItLasts(
        _ connect: @escaping @Sendable () async throws -> Connection
    ) async throws -> Connection {
        try await withThrowingTaskGroup(of: Connection?.self) { group in
            group.addTask { try await connect() }
            group.addTask {
                if case .failed(let error) = try await self.fullyEnded() { throw error }
                return nil
            }
            do {
                while let outcome = try await group.next() {
                    guard let other = outcome else { continue }
                    group.cancelAll()
                    return other
                }
            } catch {
                group.cancelAll()
                while let outcome = await group.nextResult() { try? outcome.get()?.abort() }
                throw error
            }
            throw CancellationError()
        }
    }
}
