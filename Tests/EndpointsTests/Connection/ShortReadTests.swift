// The kernel ends a read early not only where nothing is left: at urgent data, and behind descriptors
// that came along. Whoever takes a short read for an empty socket then sleeps on bytes that are there.

import CEndpoints
import EventLoop
import Glibc
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Short reads", .timeLimit(.minutes(1)))
struct ShortReadTests {
    /// A raw peer, and a connection that is registered: an event has told of what came since.
    private func withRawPeer(
        _ kind: PairKind,
        send: @Sendable (Int32) -> Void,
        _ body: (Connection) async throws -> Void
    ) async throws {
        let group = EventLoopGroup(loopCount: 1)
        let (raw, descriptor) = try connectedDescriptors(kind)
        let peer = OwnedDescriptor(raw)
        let connection = Connection.over(OwnedDescriptor(descriptor), on: group.loops[0])
        async let first = connection.read(atMost: 100)
        try await connection.untilReading()
        #expect(Glibc.send(raw, "-", 1, 0) == 1)
        #expect(try await first == [UInt8(ascii: "-")])
        // On the loop's own thread: all of it has come before the loop hears of any.
        await connection.perform { _ in send(raw) }
        try await connection.until { $0.base.isReadable }
        try await body(connection)
        connection.abort()
        await group.shutdown()
        _ = consume peer
    }

    @Test("bytes behind urgent data are read when they have come")
    func urgent() async throws {
        try await withRawPeer(.tcp) { peer in
            #expect(Glibc.send(peer, "ab", 2, 0) == 2)
            #expect(Glibc.send(peer, "!", 1, Int32(MSG_OOB)) == 1)
            #expect(Glibc.send(peer, "cd", 2, 0) == 2)
        } _: { connection in
            let bytes = try await withTimeout(.seconds(5)) { try await connection.read(exactly: 4) }
            #expect(bytes == Array("abcd".utf8))
        }
    }

    @Test("bytes behind descriptors that came along are read when they have come")
    func descriptors() async throws {
        try await withRawPeer(.unix) { peer in
            #expect(endpoints_send_descriptors(peer, "ab", 2, [0], 1) == 2)
            #expect(Glibc.send(peer, "cd", 2, 0) == 2)
        } _: { connection in
            let bytes = try await withTimeout(.seconds(5)) { try await connection.read(exactly: 4) }
            #expect(bytes == Array("abcd".utf8))
        }
    }
}
