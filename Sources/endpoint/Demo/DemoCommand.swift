import ArgumentParser
import Endpoints
import Logging

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Serves and connects by every kind of endpoint, on this host, by itself.",
        discussion:
            "A line for each step: what happened, and how long it took. Exit status 0 if all did."
    )

    @OptionGroup var options: ToolOptions

    func run() async throws {
        let logger = options.makeLogger()
        DescriptorLimit.raise(logger)
        let stop = StopRequest.onSignal()
        let report = try DemoReport(isJSON: options.json, to: .copyOfStandardOutput())
        let context = EndpointContext(loops: options.makeLoops(), logger: logger)
        do {
            try await stop.cancelling { try await Self.showAll(in: context, report) }
        } catch ExitStatus.done {
            throw DemoFailure("interrupted: not all of it was shown")
        }
        try report.finish()
    }

    private static func showAll(in context: EndpointContext, _ report: DemoReport) async throws {
        let directory = try DemoDirectory()
        defer { directory.remove() }
        for scenario in DemoScenario.all(in: directory) {
            try await scenario.run(in: context, report)
        }
        try await DescriptorScenario.run(in: context, report)
        try await TunnelScenario.run(in: context, report)
        try await ProcessScenario.run(in: context, report)
        try await StdioScenario().run(in: context, report)
    }
}
