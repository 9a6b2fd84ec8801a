import ArgumentParser
import Endpoints

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Says what an endpoint string means, or what is wrong with it.",
        discussion: """
            Nothing is opened or looked up. Without a side the servers' kinds are tried first, then the \
            clients'. With - strings are read from stdin, one a line, and answered by one line each.
            """
    )

    @Flag(help: "Take it for a client's or for a server's endpoint.")
    var side: EndpointSide?
    @Argument(help: "The endpoint string, or - for lines of them on stdin.")
    var string: String
    @OptionGroup var options: ToolOptions

    func run() throws {
        if string == "-" { return try explainLines() }
        do {
            let explanation = try EndpointRegistry.standard.explain(string, as: side)
            let text = options.json ? explanation.json.description : explanation.text
            try LineOutput.standardOutput.write(text)
        } catch let error as EndpointStringError {
            if options.json { try LineOutput.standardOutput.write(error.json.description) }
            throw error
        }
    }

    private func explainLines() throws {
        var hasFailed = false
        while let line = readLine() {
            let answer: String
            do {
                let explanation = try EndpointRegistry.standard.explain(line, as: side)
                answer = options.json ? explanation.json.description : explanation.line
            } catch let error as EndpointStringError {
                hasFailed = true
                answer = options.json ? error.json.description : error.line
            }
            try LineOutput.standardOutput.write(answer)
        }
        if hasFailed { throw ExitStatus.usage }
    }
}

extension EndpointSide: EnumerableFlag {
    /// What each flag means.
    public static func help(for value: EndpointSide) -> ArgumentHelp? {
        switch value {
        case .client: "Take it for an endpoint that connects."
        case .server: "Take it for an endpoint that listens."
        }
    }
}
