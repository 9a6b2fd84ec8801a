// Standard input and output cannot be connected to: they are there. So for a moment two pipes take
// their place, and the demonstration is at the other ends. Its own lines go to a copy of stdout that
// was made before.

import Endpoints
import Glibc

/// Shows `stdio:`.
struct StdioScenario: Sendable {
    static let name = StdioEndpoint.kind

    /// Runs all steps; one that fails ends the scenario.
    ///
    /// - Throws: `CancellationError`, and what writing a line throws.
    func run(in context: EndpointContext, _ report: DemoReport) async throws {
        let pipes = try StdioPipes()
        let peer = Connection.make(
            reading: pipes.fromProgram,
            writing: pipes.toProgram,
            name: "pipes",
            in: context
        )
        do {
            try await exercise(peer, in: context, report)
        } catch {
            peer.abort()
            pipes.restore()
            throw error
        }
        await peer.close()
        pipes.restore()
    }

    private func exercise(
        _ peer: Connection,
        in context: EndpointContext,
        _ report: DemoReport
    ) async throws {
        var made: Listener?
        let endpoint = StdioEndpoint()
        _ = try await report.step("listen", of: Self.name) {
            made = try await endpoint.listen(in: context)
            return "\(endpoint)"
        }
        guard let listener = made else { return }
        let serving = Task {
            try await listener.serve { connection in try await DemoSteps.echo(connection) }
        }
        defer { serving.cancel() }
        let steps = DemoSteps(connection: peer, listener: listener, context: context)
        guard
            try await report.step("bytes both ways", of: Self.name, { try await steps.exchange() }),
            try await report.step("half-close", of: Self.name, { try await steps.halfClose() })
        else { return }
        _ = try await report.step("end", of: Self.name) {
            try await serving.value
            return "after its one connection the listener ended by itself"
        }
    }
}

/// Two pipes in place of standard input and output.
private struct StdioPipes {
    let toProgram: Int32
    let fromProgram: Int32
    private let input: Int32
    private let output: Int32

    init() throws {
        var first = [Int32](repeating: -1, count: 2)
        var second = first
        guard pipe(&first) == 0, pipe(&second) == 0 else {
            throw EndpointError(errno: errno, operation: "make", endpoint: "a pipe")
        }
        input = try Self.replace(0, with: first[0])
        output = try Self.replace(1, with: second[1])
        toProgram = first[1]
        fromProgram = second[0]
    }

    /// Answers a copy of what was there.
    private static func replace(_ descriptor: Int32, with other: Int32) throws -> Int32 {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0, dup2(other, descriptor) >= 0 else {
            throw EndpointError(
                errno: errno,
                operation: "copy",
                endpoint: "descriptor \(descriptor)"
            )
        }
        close(other)
        return copy
    }

    /// Puts back what was there.
    func restore() {
        for (copy, descriptor) in [(input, Int32(0)), (output, 1)] {
            dup2(copy, descriptor)
            close(copy)
        }
    }
}
