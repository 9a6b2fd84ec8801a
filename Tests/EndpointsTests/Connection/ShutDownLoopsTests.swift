import CEndpoints
import EventLoop
import Foundation
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("On loops that were shut down", .timeLimit(.minutes(1)))
struct ShutDownLoopsTests {
    // Of each test case its own: cases run beside each other.
    private let name = "endpoints-shut-down-\(UInt64.random(in: 0 ... .max))"
    private var path: String { "/tmp/\(name)" }

    private static let serverCount = 7
    private var servers: [any ServerEndpoint] {
        [
            .tcp(port: 0, interface: "127.0.0.1"),
            .unix(path: path),
            MemoryServerEndpoint(name: name),
            StdioEndpoint(),
            DescriptorEndpoint(descriptor: 0),
            SystemdEndpoint(name: name),
            ProxyServerEndpoint(.tcp(port: 0, interface: "127.0.0.1"), from: nil),
        ]
    }

    private func shutDownContext() async -> EndpointContext {
        let group = EventLoopGroup(loopCount: 1)
        await group.shutdown()
        return EndpointContext(loops: group)
    }

    private func expectShutDown(
        _ operation: String,
        _ body: () async throws -> Void
    ) async {
        await #expect {
            try await body()
        } throws: { error in
            guard let error = error as? EndpointError else { return false }
            return error.code == .closed && error.operation == operation && error.endpoint != nil
                && "\(error)".contains("the event loops have been shut down")
        }
    }

    @Test("listening throws, and takes nothing", arguments: 0..<serverCount)
    func listening(index: Int) async throws {
        try #require(servers.count == Self.serverCount)
        let context = await shutDownContext()
        await expectShutDown("listen") {
            await (try servers[index].listen(in: context)).close()
        }
        #expect(access(path, F_OK) != 0)
        let listener = try await MemoryServerEndpoint(name: name).listen()
        await listener.close()
    }

    @Test("connecting throws, and reaches nobody")
    func connecting() async throws {
        let context = await shutDownContext()
        let tcp = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let unix = try await serverFromString("unix:\(path).listening").listen()
        let memory = try await serverFromString("memory:\(name)-listening").listen()
        let clients =
            [tcp, unix, memory].flatMap(\.clientEndpoints) + [
                ProcessEndpoint(path: "/bin/true", arguments: []),
                StdioEndpoint(),
                DescriptorEndpoint(descriptor: 0),
            ]
        #expect(clients.count == 6)
        for client in clients {
            await expectShutDown("connect") { try await client.connect(in: context).abort() }
        }
        for listener in [tcp, unix, memory] { await listener.close() }
    }
}
