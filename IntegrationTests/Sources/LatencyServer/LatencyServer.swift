// The server that Benchmarks/latency measures: everything lives on one loop, so whatever takes that loop
// for too long shows in the echo of everybody else.

import Endpoints
import Glibc
import Logging

/// `latency-server CERTIFICATE-DIRECTORY` echoes over TCP, over TCP with a limit for each source, and
/// over TLS.
///
/// It prints `plain PORT limited PORT tls PORT`. For each line of its input it reads the certificates
/// again, and then prints `reloaded`; at the end of the input it ends.
@main struct LatencyServer {
    static func main() async throws {
        let group = EventLoopGroup(loopCount: 1)
        var logger = Logger(label: "latency")
        logger.logLevel = .critical
        let context = EndpointContext(loops: group, logger: logger)
        let configuration = Self.configuration(CommandLine.arguments[1])
        let plain = try await TCPServerEndpoint(port: 0).listen(in: context)
        let limited = try await TCPServerEndpoint(port: 0).listen(in: context)
        let tls = try await TLSServerEndpoint(port: 0, configuration).listen(in: context)
        let rate = ServeLimits(sourceRate: SourceRate(perSecond: 0.001, burst: 1))
        let listeners = [(plain, ServeLimits()), (limited, rate), (tls, ServeLimits())]
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for (listener, limits) in listeners {
                tasks.addTask { try await listener.serve(limits: limits, echo) }
            }
            let ports = listeners.map { "\($0.0.addresses.first?.port ?? 0)" }
            say("plain \(ports[0]) limited \(ports[1]) tls \(ports[2])")
            tasks.addTask {
                // Reading a line blocks, as reading certificates does; neither is for a loop's thread.
                await Task.detached {
                    while readLine() != nil {
                        do {
                            try configuration.reload()
                            say("reloaded")
                        } catch { say("\(error)") }
                    }
                }.value
                for (listener, _) in listeners { await listener.drain(within: .zero) }
            }
            try await tasks.waitForAll()
        }
        await group.shutdown()
    }

    /// Certificates that are read again only when we are told to.
    private static func configuration(_ directory: String) -> TLSServerConfiguration {
        var configuration = TLSServerConfiguration(directory: directory)
        configuration.reloadInterval = .seconds(3600)
        return configuration
    }

    @Sendable private static func echo(_ connection: isolated Connection) async throws {
        var buffer = ReadBuffer()
        while try await connection.read(into: &buffer) > 0 {
            try await connection.write(buffer)
            buffer.removeAll()
        }
    }

    /// Prints a line at once, also into a pipe.
    private static func say(_ line: String) {
        print(line)
        fflush(nil)
    }
}
