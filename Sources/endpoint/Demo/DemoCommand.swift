import ArgumentParser
import Endpoints
import Logging

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Serves and connects by every kind of endpoint, on this host, by itself.",
        discussion: "A line for each step: what happened, and how long it took. Exit status 0 if all did."
    )

    @OptionGroup var options: ToolOptions

    func run() async throws {
        let logger = options.makeLogger()
        DescriptorLimit.raise(logger)
        let stop = StopRequest.onSignal()
        let report = DemoReport(isJSON: options.json)
        let context = EndpointContext(loops: options.makeLoops(), logger: logger)
        try await stop.cancelling {
            let directory = try DemoDirectory()
            defer { directory.remove() }
            for scenario in DemoScenario.all(in: directory) {
                try await scenario.run(in: context, report)
            }
        }
        try report.finish()
    }
}
