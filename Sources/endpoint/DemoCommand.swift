import ArgumentParser
import Endpoints

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "x"
    )
    @OptionGroup var options: ToolOptions
    func run() async throws {}
}
