// A server that can be replaced while it serves: SIGHUP starts its successor, SIGTERM ends it. Each
// connection sends a byte, and gets the number of the process that serves it on a line, then as many
// bytes as the command line says, then a line `end`.

import Endpoints
import EndpointsService
import Glibc
import Logging
import ServiceLifecycle
import UnixSignals

@main struct RestartingServer {
    static func main() async throws {
        let restart = HotRestart()
        let arguments = CommandLine.arguments
        let size = arguments.count > 2 ? Int(arguments[2]) ?? 0 : 0
        let server = restart.endpoint(try serverFromString(arguments[1]), name: "load")
        let service = ListenerService(server) { connection in
            _ = try await connection.read(exactly: 1)
            try await connection.write("\(getpid())\n".utf8)
            let block = [UInt8](repeating: UInt8(ascii: "."), count: 65_536)
            var left = size
            while left > 0 {
                try await connection.write(block.prefix(left))
                left -= min(left, block.count)
            }
            try await connection.write("end\n".utf8)
            try await connection.closeWrite()
            _ = try await connection.read(atMost: 1)
        }
        let restarter = Restarter(restart: restart, service: service)
        var configuration = ServiceGroupConfiguration(
            services: [.init(service: service), restarter.configuration],
            logger: Logger(label: "server") { _ in SwiftLogNoOpLogHandler() }
        )
        configuration.gracefulShutdownSignals = [.sigterm]
        try await ServiceGroup(configuration: configuration).run()
    }
}

/// Ends when there is a successor, and the group with it.
private struct Restarter: Service {
    let restart: HotRestart
    let service: ListenerService

    var configuration: ServiceGroupConfiguration.ServiceConfiguration {
        .init(service: self, successTerminationBehavior: .gracefullyShutdownGroup)
    }

    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sighup)
        let addresses = try await service.listening()
        try await restart.store(in: SystemdNotifier())
        print("serving \(getpid()) \(addresses[0])")
        fflush(nil)
        restart.ready()
        for await _ in signals.cancelOnGracefulShutdown() {
            do {
                try await restart.startSuccessor()
                return
            } catch {
                print("failed \(error)")
                fflush(nil)
            }
        }
    }
}
