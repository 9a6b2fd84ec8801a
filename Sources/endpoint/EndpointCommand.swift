// The tool: one file a command, and what they share beside them. Each command is thin: it turns text
// into endpoints and hands them to the library.
//
// The main thread does nothing but wait for signals (Signals.swift); commands run in a task.

import ArgumentParser
import Endpoints
import Glibc

@main
enum Main {
    static func main() {
        openStandardDescriptors()
        // Keys and passwords: no core dump, and no debugger but root's.
        forbidCoreDumps()
        Signals.block()
        Task.detached {
            let status = await status()
            await LineQueue.flushAll()
            // Programs that do not end by themselves are killed, but not at once.
            await RunningPrograms.allEnded()
            exit(status)
        }
        Signals.wait()
    }

    private static func status() async -> Int32 {
        var command: any ParsableCommand
        do { command = try EndpointCommand.parseAsRoot() } catch {
            EndpointCommand.exit(withError: error)
        }
        do {
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return ExitStatus.done.rawValue
        } catch {
            return ExitStatus.report(error).rawValue
        }
    }

    /// Puts /dev/null where 0, 1 or 2 is closed, lest a socket become standard output.
    private static func openStandardDescriptors() {
        for descriptor in 0...Int32(2) where fcntl(descriptor, F_GETFD) == -1 {
            // The lowest free number is this one (open(2)).
            _ = open("/dev/null", O_RDWR)
        }
    }
}

struct EndpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "endpoint",
        abstract: "Servers and clients at places that strings name.",
        discussion: """
            Exit status: 0, 1 if it could not be done, 64 for a wrong command line or endpoint string.
            """,
        subcommands: [
            EchoCommand.self, ConnectCommand.self, RelayCommand.self, ProbeCommand.self,
            ExplainCommand.self, KindsCommand.self, DemoCommand.self,
        ]
    )
}
