import Endpoints

/// Shows `process:`: a program that echoes, and one that ends with a status of its own.
enum ProcessScenario {
    private static let name = ProcessEndpoint.kind

    static func run(in context: EndpointContext, _ report: DemoReport) async throws {
        let endpoint = try clientFromString("process:cat")
        var made: Connection?
        _ = try await report.step("connect", of: name) {
            made = try await endpoint.connect(in: context)
            return "\(endpoint)"
        }
        guard let connection = made else { return }
        defer { connection.abort() }
        let steps = DemoSteps(connection: connection, context: context)
        guard
            try await report.step("bytes both ways", of: name, { try await steps.exchange() }),
            try await report.step("half-close", of: name, { try await steps.halfClose() })
        else { return }
        _ = try await report.step("exit status", of: name) { try await status(in: context) }
    }

    private static func status(in context: EndpointContext) async throws -> String {
        let endpoint = try clientFromString("process:/bin/sh:-c 'exit 3'")
        return try await endpoint.withConnection(in: context) { connection in
            guard case .failed(let error) = try await connection.ended(),
                error.code == .processFailed
            else { throw DemoFailure("the status is not told") }
            return "\(error)"
        }
    }
}
