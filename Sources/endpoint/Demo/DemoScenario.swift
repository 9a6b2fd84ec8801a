// One kind of endpoint, served and connected to. A kind that is new in the library gets an entry here.

import Endpoints

/// How a kind is shown.
struct DemoScenario: Sendable {
    /// What lines begin with: the kind.
    let name: String
    /// A server on this host.
    let server: String
    /// The same with a backlog of nothing, which nobody will accept from; `nil` if there is no such.
    let fullServer: String?
    /// The client's endpoint that reaches a server's address.
    let client: @Sendable (SocketAddress) -> String

    /// All kinds, in the order in which they are shown.
    static func all(in directory: DemoDirectory) -> [DemoScenario] {
        let certificate = quoted(directory.certificate)
        return [
            DemoScenario(
                name: "tcp",
                server: "tcp:0:interface=127.0.0.1",
                fullServer: "tcp:0:interface=127.0.0.1:backlog=0",
                client: { "tcp:127.0.0.1:\($0.port ?? 0)" }
            ),
            DemoScenario(
                name: "tcp6",
                server: "tcp6:0:interface=[::1]",
                fullServer: "tcp6:0:interface=[::1]:backlog=0",
                client: { "tcp6:[::1]:\($0.port ?? 0)" }
            ),
            DemoScenario(
                name: "unix",
                server: "unix:\(quoted(directory.file("demo.sock")))",
                fullServer: "unix:\(quoted(directory.file("full.sock"))):backlog=0",
                client: { "unix:\(quoted($0.path ?? ""))" }
            ),
            DemoScenario(
                name: "tls",
                server: "tls:0:interface=127.0.0.1:privateKey=\(certificate)",
                fullServer: "tls:0:interface=127.0.0.1:backlog=0:privateKey=\(certificate)",
                client: { "tls:127.0.0.1:\($0.port ?? 0):trustRoots=\(certificate)" }
            ),
            DemoScenario(
                name: "ssl",
                server: "ssl:0:interface=127.0.0.1:privateKey=\(certificate)",
                fullServer: nil,
                client: { "ssl:127.0.0.1:\($0.port ?? 0):caCertsDir=\(certificate)" }
            ),
            DemoScenario(
                name: "haproxy",
                server: "haproxy:from=127.0.0.1:tcp:0:interface=127.0.0.1",
                fullServer: nil,
                client: { "haproxy:tcp:127.0.0.1:\($0.port ?? 0)" }
            ),
            DemoScenario(
                name: "memory",
                server: "memory:demo",
                fullServer: "memory:demo-full:backlog=1",
                client: { "\($0)" }
            ),
        ]
    }

    /// Runs all steps; one that fails ends the scenario.
    ///
    /// - Throws: `CancellationError`, and what writing a line throws.
    func run(in context: EndpointContext, _ report: DemoReport) async throws {
        guard let listener = try await listen(in: context, report) else { return }
        let serving = Task {
            try await listener.serve { connection in try await DemoSteps.echo(connection) }
        }
        do {
            try await exercise(listener, in: context, report)
        } catch {
            serving.cancel()
            _ = await serving.result
            throw error
        }
        await listener.close()
        serving.cancel()
        _ = await serving.result
    }

    private func listen(
        in context: EndpointContext,
        _ report: DemoReport
    ) async throws -> Listener? {
        var made: Listener?
        do {
            let endpoint = try serverFromString(server)
            _ = try await report.step("listen", of: name) {
                do { made = try await endpoint.listen(in: context) } catch let error
                    as EndpointError
                    where error.code == .addressNotAvailable || error.code == .unsupported
                {
                    throw DemoUnavailable(error: error)
                }
                let bound = made?.addresses.first.map { endpoint.bound(to: $0) }
                return "\(bound ?? endpoint)"
            }
        } catch let unavailable as DemoUnavailable {
            try report.skip(name, because: "\(unavailable.error)")
        } catch {
            await made?.close()
            throw error
        }
        return made
    }

    private func exercise(
        _ listener: Listener,
        in context: EndpointContext,
        _ report: DemoReport
    ) async throws {
        guard let address = listener.addresses.first else { return }
        let endpoint = try clientFromString(client(address))
        var steps = DemoSteps(endpoint: endpoint, listener: listener, context: context)
        defer { steps.abandon() }
        let all: [(String, nonisolated(nonsending) (inout DemoSteps) async throws -> String)] = [
            ("connect", { try await $0.connect() }),
            ("bytes both ways", { try await $0.exchange() }),
            ("half-close", { try await $0.halfClose() }),
            ("slow reader", { try await $0.fillSlowReader() }),
            ("drain", { try await $0.drain() }),
        ]
        for (step, body) in all {
            if step == "drain", let fullServer {
                let server = try serverFromString(fullServer)
                let isDone = try await report.step("cancel a connect", of: name) {
                    try await DemoSteps.cancelConnect(to: server, client, in: context)
                }
                guard isDone else { return }
            }
            guard try await report.step(step, of: name, { try await body(&steps) }) else { return }
        }
    }
}

/// This host cannot listen there: no IPv6, for one.
struct DemoUnavailable: Error {
    let error: EndpointError
}
