import ArgumentParser
import Endpoints
import Logging

/// What every command takes, so that scripts may pass it to any.
struct ToolOptions: ParsableArguments {
    @Flag(help: "Write each line on stdout as one JSON object.")
    var json = false

    @Flag(
        help: """
            Refuse endpoint strings that do more than reach the network: programs, descriptors, UNIX \
            sockets, files to write.
            """
    )
    var networkOnly = false

    @Option(
        help: ArgumentHelp("How many event loops to run; one a core unless told.", valueName: "n")
    )
    var loops: Int?

    @Option(
        help: ArgumentHelp(
            "What to log on stderr: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).",
            valueName: "level"
        ),
        transform: ToolOptions.level
    )
    var logLevel = Logger.Level.notice

    func validate() throws {
        if let loops, !(1...1024).contains(loops) {
            throw ValidationError("--loops is a number from 1 to 1024.")
        }
    }

    /// The kinds that strings may name.
    var registry: EndpointRegistry { networkOnly ? .network : .standard }

    /// The loops that `--loops` asks for.
    ///
    /// - Parameter usual: How many if it does not; `nil` for one a core.
    /// - Returns: A group of its own, or the process's.
    func makeLoops(usual: Int? = nil) -> EventLoopGroup {
        (loops ?? usual).map { EventLoopGroup(loopCount: $0) } ?? .shared
    }

    /// Sends the log to stderr; once in a process.
    func makeLogger() -> Logger {
        let level = logLevel
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler(label: label, stream: LogStream())
            handler.logLevel = level
            return handler
        }
        return Logger(label: "endpoint")
    }

    private static func level(_ text: String) throws -> Logger.Level {
        guard let level = Logger.Level(rawValue: text.lowercased()) else {
            let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("\"\(text)\" is no log level; write one of \(levels).")
        }
        return level
    }
}

/// How long a command takes to end when it is asked to.
struct DrainOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How long open connections may go on after SIGINT or SIGTERM.",
            valueName: "seconds"
        )
    )
    var drain = 30.0

    func validate() throws {
        guard drain >= 0, drain <= 1e9 else {
            throw ValidationError("--drain is a number of seconds, 0 or more.")
        }
    }

    var duration: Duration { .seconds(drain) }
}
