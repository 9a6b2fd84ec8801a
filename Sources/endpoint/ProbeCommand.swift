// One connection, made and given up, and all that can be told of it.
//
// The certificate is verified as for any connection: whoever is not trusted gets nothing but the
// alert that says so. With TLS 1.3 a client is done before the server has looked at the client's own
// certificate, so a server that wants another shows it only by what it answers to our goodbye.

import ArgumentParser
import Endpoints

struct ProbeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Connects once, and tells how it went and whether the peer can be trusted.",
        discussion: """
            Tells the addresses tried, the times, and for TLS what was agreed on and the peer's \
            certificates, also those of a peer that is refused. Sends no data. Exit status: 0 if a \
            connection would be trusted.
            """
    )

    @Argument(help: "Where to connect to, such as tls:example.com:443.")
    var client: String
    @Option(
        help: ArgumentHelp(
            "How long all of it may take; what the endpoint says unless told.",
            valueName: "seconds"
        )
    )
    var timeout: Double?
    @OptionGroup var options: ToolOptions

    func validate() throws {
        if let timeout, !(timeout > 0 && timeout <= 1e9) {
            throw ValidationError("--timeout is a number of seconds, more than 0.")
        }
    }

    func run() async throws {
        let endpoint = try clientFromString(client, in: options.registry)
        let context = EndpointContext(
            loops: options.makeLoops(usual: 1),
            logger: options.makeLogger()
        )
        let limit = timeout.map { Duration.seconds($0) }
        let report = await Probe(endpoint, timeout: limit).run(in: context)
        // Where standard output was the connection it is gone.
        let usesStdio = try options.registry.explain(client, as: .client).usesStdio
        let output = usesStdio ? LineOutput.standardError : .standardOutput
        try output.write(options.json ? report.json.description : report.text)
        if !report.isTrusted { throw ExitStatus.failed }
    }
}

/// One attempt to connect, and what it shows.
struct Probe: Sendable {
    private let endpoint: any ClientEndpoint
    private let timeout: Duration?
    /// How long a server may take to answer our goodbye.
    private static let goodbyeTime = Duration.seconds(1)

    init(_ endpoint: any ClientEndpoint, timeout: Duration?) {
        self.endpoint = endpoint
        self.timeout = timeout
    }

    /// Connects, looks, and closes.
    func run(in context: EndpointContext) async -> ProbeReport {
        let trace = ConnectTrace()
        let start = ContinuousClock.now
        var report = ProbeReport(endpoint: endpoint.redacted)
        do {
            let connection = try await connect(in: context.tracing(trace))
            report.total = .now - start
            report.connected(connection)
            report.note(trace.record, of: connection.timeline)
            if let objection = await objection(of: connection), report.error == nil {
                report.error = objection
            }
        } catch is TimeoutError {
            report.total = .now - start
            report.note(trace.record, of: nil)
            report.error = "\(timedOut(trace.record))"
        } catch {
            report.total = .now - start
            report.note(trace.record, of: nil)
            report.error = "\(error)"
        }
        return report
    }

    private func connect(in context: EndpointContext) async throws -> Connection {
        guard let timeout else { return try await endpoint.connect(in: context) }
        return try await withTimeout(timeout) { try await endpoint.connect(in: context) }
    }

    private func timedOut(_ record: ConnectTrace.Record) -> EndpointError {
        var place = ""
        if record.address != nil {
            place = " in the TLS handshake"
        } else if record.attempts.isEmpty, record.timeline.resolve != nil {
            place = " while looking up the name"
        }
        return EndpointError(
            .timedOut,
            operation: "connect",
            endpoint: endpoint.redacted,
            reason: "timed out after \((timeout ?? .zero).inSeconds)\(place)"
        )
    }

    /// Says goodbye, and why the peer does not want us, if it says so.
    private func objection(of connection: Connection) async -> String? {
        var objection: String?
        if connection.tls?.version == .tls13 {
            do {
                try await connection.closeWrite()
                _ = try await withTimeout(Self.goodbyeTime) {
                    try await connection.read(atMost: 1)
                }
            } catch let error as EndpointError where error.code == .handshakeFailed {
                objection = "\(error)"
            } catch {
                // However it ends otherwise says nothing about trust.
                connection.abort()
            }
        }
        await connection.close()
        return objection
    }
}
