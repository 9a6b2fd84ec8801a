import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Relay", .timeLimit(.minutes(1)))
struct RelayTests {
    @Test(
        "bytes go both ways at once, however many, and are counted",
        arguments: PairKind.allCases
    )
    func bothWays(kind: PairKind) async throws {
        try await withJoint(kind) { joint in
            let relaying = joint.relaying()
            let there = numberedBytes(3_000_000)
            let back = numberedBytes(2_000_000, from: 7)
            async let request: Void = {
                try await joint.client.write(there)
                try await joint.client.closeWrite()
            }()
            async let answer: Void = {
                try await joint.server.write(back)
                try await joint.server.closeWrite()
            }()
            async let arrived = joint.server.read(exactly: there.count)
            #expect(try await joint.client.read(exactly: back.count) == back)
            #expect(try await arrived == there)
            #expect(try await joint.client.read(atMost: 1) == nil)
            #expect(try await joint.server.read(atMost: 1) == nil)
            _ = try await (request, answer)
            let counts = try await relaying.value
            #expect(counts.forward == there.count)
            #expect(counts.backward == back.count)
        }
    }

    @Test("a pair whose peers take nothing holds little of what they sent", .tags(.faults))
    func stalled() async {
        await #expect(processExitsWith: .success) {
            let group = EventLoopGroup(loopCount: 2)
            let bytes = numberedBytes(16 << 20)

            /// Both peers send and do not read; returns when neither direction goes on.
            @Sendable func stall() async throws -> [Connection] {
                var all: [Connection] = []
                for _ in 0..<2 {
                    let (peer, ours) = try connectedDescriptors()
                    all.append(.over(OwnedDescriptor(peer), on: group.loops[0]))
                    all.append(.over(OwnedDescriptor(ours), on: group.loops[1]))
                }
                let (near, far) = (all[1], all[3])
                Task(executorPreference: near.loop) { try await relay(between: near, and: far) }
                for peer in [all[0], all[2]] { Task { try await peer.write(bytes) } }
                for connection in all { try await connection.untilWriting() }
                return all
            }

            // What the loops keep for the next reads is there before the count.
            var kept = try await stall()
            let before = allocatedBytes()
            for _ in 0..<10 { kept += try await stall() }
            let each = (allocatedBytes() - before) / 10
            #expect(each < 64 << 10, "\(each) bytes a pair")
            for connection in kept { connection.abort() }
            await group.shutdown()
        }
    }

    @Test(
        "the end of one direction is passed on, and leaves the other open",
        arguments: [false, true]
    )
    func halfClose(fromServer: Bool) async throws {
        try await withJoint { joint in
            let relaying = joint.relaying()
            let (first, second) =
                fromServer ? (joint.server, joint.client) : (joint.client, joint.server)
            try await first.write("question".utf8)
            try await first.closeWrite()
            #expect(try await second.read(exactly: 8) == Array("question".utf8))
            #expect(try await second.read(atMost: 1) == nil)
            for byte in UInt8(1)...3 {
                try await second.write([byte])
                #expect(try await first.read(exactly: 1) == [byte])
            }
            try await second.closeWrite()
            #expect(try await first.read(atMost: 1) == nil)
            let counts = try await relaying.value
            #expect(fromServer ? counts == (3, 8) : counts == (8, 3))
            // Joined they were, closed they are not.
            #expect(await joint.near.perform { $0.phase } == .open)
            #expect(await joint.far.perform { $0.phase } == .open)
        }
    }

    @Test("a reset on one side is one on the other", .tags(.faults), arguments: [false, true])
    func reset(fromServer: Bool) async throws {
        try await withJoint { joint in
            let relaying = joint.relaying()
            let (first, second) =
                fromServer ? (joint.server, joint.client) : (joint.client, joint.server)
            try await first.write([1])
            #expect(try await second.read(exactly: 1) == [1])
            first.abort()
            #expect(await code { try await second.read(atMost: 1) } == .connectionReset)
            #expect(await code { try await relaying.value } == .connectionReset)
            #expect(await joint.near.perform { $0.phase } == .closed)
            #expect(await joint.far.perform { $0.phase } == .closed)
        }
    }

    @Test("a reset in the direction that is still open reaches who has ended, too", .tags(.faults))
    func resetAfterHalfClose() async throws {
        try await withJoint { joint in
            let relaying = joint.relaying()
            try await joint.client.closeWrite()
            #expect(try await joint.server.read(atMost: 1) == nil)
            joint.server.abort()
            #expect(await code { try await joint.client.read(atMost: 1) } == .connectionReset)
            #expect(await code { try await relaying.value } == .connectionReset)
        }
    }

    @Test("a connection that is closed under it ends it, and the other", arguments: [false, true])
    func closed(isFar: Bool) async throws {
        try await withJoint { joint in
            let relaying = joint.relaying()
            try await joint.client.write([1])
            #expect(try await joint.server.read(exactly: 1) == [1])
            await (isFar ? joint.far : joint.near).close()
            #expect(await code { try await relaying.value } == .closed)
            let other = isFar ? joint.client : joint.server
            #expect(await code { try await other.read(atMost: 1) } == .connectionReset)
        }
    }

    @Test("a peer that does not read makes the other's writer wait", arguments: PairKind.allCases)
    func backpressure(kind: PairKind) async throws {
        try await withJoint(kind) { joint in
            let relaying = joint.relaying()
            let bytes = numberedBytes(30_000_000)
            let writer = Task { try await joint.client.write(bytes) }
            try await joint.far.untilWriting()
            try await joint.client.untilWriting()
            #expect(try await joint.server.read(exactly: bytes.count) == bytes)
            try await writer.value
            await joint.client.close()
            #expect(try await joint.server.read(atMost: 1) == nil)
            await joint.server.close()
            #expect(try await relaying.value == (bytes.count, 0))
        }
    }

    @Test(
        "cancelled while both wait it throws, and the connections are as they were",
        .tags(.cancellation)
    )
    func cancelled() async throws {
        try await withJoint { joint in
            let relaying = joint.relaying()
            try await joint.near.untilReading()
            try await joint.far.untilReading()
            relaying.cancel()
            #expect(await isCancelled { try await relaying.value })
            try await joint.client.write([1])
            #expect(try await joint.near.read(exactly: 1) == [1])
            try await joint.far.write([2])
            #expect(try await joint.server.read(exactly: 1) == [2])
        }
    }

    @Test(
        "cancelled in the middle of a write it throws, and the stream is not whole",
        .tags(.cancellation)
    )
    func cancelledWriting() async throws {
        try await withJoint(.unix) { joint in
            let relaying = joint.relaying()
            let writer = Task { try await joint.client.write(numberedBytes(5_000_000)) }
            // In the middle of a block: the kernel has room for no more, and has some of it.
            try await joint.far.untilWriting()
            relaying.cancel()
            #expect(await isCancelled { try await relaying.value })
            writer.cancel()
            #expect(await isCancelled { try await writer.value })
            if await joint.far.perform({ $0.extras?.isBroken == true }) {
                #expect(await code { try await joint.far.write([1]) } == .partialWrite)
            }
        }
    }

    @Test("in a task that is cancelled already nothing is moved", .tags(.cancellation))
    func cancelledBefore() async throws {
        try await withJoint { joint in
            try await joint.client.write([1])
            let relaying = Task { [near = joint.near, far = joint.far] in
                withUnsafeCurrentTask { $0?.cancel() }
                try await relay(between: near, and: far)
            }
            #expect(await isCancelled { try await relaying.value })
            #expect(try await joint.near.read(exactly: 1) == [1])
        }
    }
}
