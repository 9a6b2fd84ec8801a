import ArgumentParser
import Endpoints

struct EchoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo",
        abstract: "Sends each client back what it sends.",
        discussion: "Prints a line for each address once it listens: listening tcp:port=41234"
    )

    @Argument(help: ArgumentHelp("Where to listen, such as tcp:8080.", valueName: "server"))
    var servers: [String]
    @OptionGroup var options: ToolOptions
    @OptionGroup var drain: DrainOptions

    func run() async throws {
        let run = try ServerRun(servers: servers, options, drain: drain.duration)
        try await run.run { connection in
            var buffer = ReadBuffer()
            while try await connection.read(into: &buffer) > 0 {
                try await connection.write(buffer)
                buffer.removeAll()
            }
        }
    }
}
