import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("The buffers of a busy TLS connection", .certificates, .timeLimit(.minutes(1)))
struct TLSBufferWatchTests {
    /// A loop that is not kept alive by being looked at.
    private struct Remembered: @unchecked Sendable {  // Weak references may be read on any thread.
        weak var loop: EventLoop?
    }

    @Test("do not keep a loop that was shut down before it")
    func outlived() async throws {
        let remembered = try await busyConnectionOutlivesItsLoop()
        while remembered.loop != nil { await Task.yield() }
    }

    private func busyConnectionOutlivesItsLoop() async throws -> Remembered {
        let group = EventLoopGroup(loopCount: 1)
        let (one, other) = try connectedDescriptors()
        let (client, server) = try await TLSTesting.upgrade(
            .over(OwnedDescriptor(one), on: group.loops[0]),
            .over(OwnedDescriptor(other), on: group.loops[0])
        )
        for _ in 0..<100 {
            try await client.write("to and fro".utf8)
            _ = try await server.read(exactly: 10)
        }
        let remembered = Remembered(loop: group.loops[0])
        await group.shutdown()
        withExtendedLifetime((client, server)) {}
        return remembered
    }
}
