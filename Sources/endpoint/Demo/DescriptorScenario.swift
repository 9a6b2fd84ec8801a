import Endpoints
import Glibc

/// Shows `fd:` and `systemd:`, with listening sockets that the library has not made.
enum DescriptorScenario {
    static func run(in context: EndpointContext, _ report: DemoReport) async throws {
        let scenario = DemoScenario(
            name: DescriptorEndpoint.kind,
            server: "fd:\(try listeningSocket())",
            fullServer: nil,
            client: { "tcp:127.0.0.1:\($0.port ?? 0)" }
        )
        try await scenario.run(in: context, report)
        try await runSystemd(in: context, report)
    }

    /// Says in the environment what systemd would have said of a socket, sd_listen_fds(3).
    ///
    /// Nobody else has read it by then, and no other thread reads the environment meanwhile.
    private static func runSystemd(in context: EndpointContext, _ report: DemoReport) async throws {
        let index = try listeningSocket() - 3
        setenv("LISTEN_PID", "\(getpid())", 1)
        setenv("LISTEN_FDS", "\(index + 1)", 1)
        unsetenv("LISTEN_FDNAMES")
        let scenario = DemoScenario(
            name: SystemdEndpoint.kind,
            server: "systemd:index=\(index)",
            fullServer: nil,
            client: { "tcp:127.0.0.1:\($0.port ?? 0)" }
        )
        try await scenario.run(in: context, report)
    }

    /// A socket that listens on a free port of 127.0.0.1.
    private static func listeningSocket() throws -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard descriptor >= 0, bound == 0, Glibc.listen(descriptor, 64) == 0 else {
            let error = EndpointError(errno: errno, operation: "make", endpoint: "a socket")
            if descriptor >= 0 { close(descriptor) }
            throw error
        }
        return descriptor
    }
}
