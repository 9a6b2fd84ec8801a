import ArgumentParser
import Endpoints

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Says what an endpoint string means, or what is wrong with it.",
        discussion: """
            Nothing is opened or looked up without --check. Without a side the servers' kinds are tried \
            first, then the clients'. With - strings are read from stdin, one a line, and answered by \
            one line each. Warnings say when a string runs a program, adopts a descriptor, writes a file \
            or trusts PROXY headers from anybody. With --check the status is 1 if anything would keep it from working.
            """
    )

    @Flag(help: "Take it for a client's or for a server's endpoint.")
    var side: EndpointSide?
    @Flag(
        help: """
            Test what can be tested without connecting: files, certificates, names, ports, programs.
            """
    )
    var check = false
    @Option(
        help: ArgumentHelp(
            "With --check: the name that clients ask for, which a server's certificate must have.",
            valueName: "name"
        )
    )
    var host: String?
    @Argument(help: "The endpoint string, or - for lines of them on stdin.")
    var string: String
    @OptionGroup var options: ToolOptions

    func validate() throws {
        if host != nil && !check { throw ValidationError("--host has no effect without --check.") }
    }

    func run() async throws {
        if string == "-" { return try await explainLines() }
        do {
            let explanation = try options.registry.explain(string, as: side)
            let checks = try await checks(of: string, explanation)
            let text =
                options.json
                ? explanation.json(checks).description
                : ([explanation.text] + (checks?.lines ?? [])).joined(separator: "\n")
            try LineOutput.standardOutput.write(text)
            if checks?.hasFailure == true { throw ExitStatus.failed }
        } catch let error as EndpointStringError {
            if options.json { try LineOutput.standardOutput.write(error.json.description) }
            throw error
        }
    }

    private func explainLines() async throws {
        var status = ExitStatus.done
        while let line = readLine() {
            let answer: String
            do {
                let explanation = try options.registry.explain(line, as: side)
                let checks = try await checks(of: line, explanation)
                if checks?.hasFailure == true, status == .done { status = .failed }
                if !options.json { try warn(of: explanation) }
                answer =
                    options.json
                    ? explanation.json(checks).description
                    : explanation.line + (checks?.summary ?? "")
            } catch let error as EndpointStringError {
                status = .usage
                answer = options.json ? error.json.description : error.line
            }
            try LineOutput.standardOutput.write(answer)
        }
        if status != .done { throw status }
    }

    /// Writes warnings to stderr, where they disturb nobody who reads one answer a line.
    private func warn(of explanation: EndpointExplanation) throws {
        for warning in explanation.allWarnings {
            try LineOutput.standardError.write("warning: \(explanation.line): \(warning)")
        }
    }

    private func checks(
        of string: String,
        _ explanation: EndpointExplanation
    ) async throws -> [EndpointCheck]? {
        guard check else { return nil }
        let context = EndpointContext()
        switch explanation.side {
        case .client:
            let client = try clientFromString(string, in: options.registry)
            return await CheckList.of(client, in: context)
        case .server:
            let server = try serverFromString(string, in: options.registry)
            return await CheckList.of(server, serverName: host, in: context)
        }
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
