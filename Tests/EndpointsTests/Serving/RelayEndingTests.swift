import CEndpoints
import EventLoop
import Testing

@testable import EndpointsCore

/// The error that a relay throws.
private func failure(
    of relaying: Task<(forward: Int, backward: Int), any Error>
) async -> EndpointError? {
    guard case .failure(let error) = await relaying.result else { return nil }
    return error as? EndpointError
}

extension Connection {
    /// Returns when the peer's system has all that was written.
    fileprivate func untilAcknowledged() async throws {
        try await until { $0.base.unacknowledgedCount == 0 }
    }
}

@Suite("The end of a relay", .bug(id: 13), .certificates, .timeLimit(.minutes(1)))
struct RelayEndingTests {
    @Test("a whole answer arrives before the reset behind it, though its reader is slow")
    func answerBeforeReset() async throws {
        try await withJoint { joint in
            let relaying = joint.relaying()
            try await joint.client.write("request".utf8)
            try await joint.server.until { $0.base.unreadCount == 7 }
            let answer = numberedBytes(1_000_000)
            try await joint.server.write(answer)
            try await joint.server.untilAcknowledged()
            joint.server.abort()
            try await joint.far.until { $0.end != nil }
            #expect(try await joint.client.read(exactly: answer.count) == answer)
            #expect(await code { try await joint.client.read(atMost: 1) } == .connectionReset)
            let error = await failure(of: relaying)
            #expect(error?.code == .connectionReset)
            #expect(error?.bytesLost == 0)
        }
    }

    @Test("an answer that begins before the request ends arrives, whoever takes no more of it")
    func refusedRequest() async throws {
        try await withJoint { joint in
            let relaying = joint.relaying()
            // The server takes no more, and its answer is in our hands: writing fails before reading does.
            let answer = numberedBytes(1_000_000)
            try await joint.server.write(answer)
            try await joint.server.untilAcknowledged()
            let uploading = Task {
                while true { try await joint.client.write(numberedBytes(100_000)) }
            }
            try await joint.client.untilWriting()
            joint.server.abort()
            #expect(try await joint.client.read(exactly: answer.count) == answer)
            #expect(await code { try await uploading.value } == .connectionReset)
            #expect(await failure(of: relaying)?.code == .connectionReset)
        }
    }

    @Test("a TLS stream that was cut off arrives whole, and does not look ended")
    func truncated() async throws {
        try await withJoint { joint in
            let (far, server) = try await TLSTesting.upgrade(joint.far, joint.server)
            let relaying = Task { [near = joint.near] in try await relay(between: near, and: far) }
            let answer = numberedBytes(1_000_000)
            try await server.write(answer)
            try await server.untilAcknowledged()
            await server.perform { $0.base.shutDownWrite() }
            try await joint.near.until { $0.bytesWritten == answer.count }
            #expect(try await joint.client.read(exactly: answer.count) == answer)
            #expect(await code { try await joint.client.read(atMost: 1) } == .connectionReset)
            #expect(await failure(of: relaying)?.code == .truncated)
        }
    }

    @Test("each byte acknowledged to the sender is delivered or reported as lost")
    func ledger() async throws {
        let log = CapturedLog()
        try await withPair(logger: log.logger) { client, near in
            try await withPair { far, server in
                let relaying = Task { try await relay(between: near, and: far) }
                // More than the four buffers of the systems between can grow to.
                let answer = [UInt8](repeating: 7, count: 100_000_000)
                let writer = Task { try await server.write(answer) }
                try await near.untilWriting()
                try await server.untilWriting()
                // The systems may go on moving bytes into their own buffers until the end. So what was
                // acknowledged is at least what it is now, and at most what was written in the end.
                let acknowledged = await server.perform {
                    $0.bytesWritten - $0.base.unacknowledgedCount
                }
                let delivered = await client.perform { client in
                    let count = client.base.unreadCount
                    client.abort()
                    return count
                }
                let error = await failure(of: relaying)
                #expect(error?.code == .connectionReset)
                #expect(await code { try await writer.value } == .connectionReset)
                let written = await server.perform { $0.bytesWritten }
                let accounted = delivered + (error?.bytesLost ?? 0)
                #expect(accounted >= acknowledged && accounted <= written)
                #expect(error?.description.contains("bytes were lost") == true)
                #expect(await near.bytesLost == error?.bytesLost)
                #expect(await far.bytesLost == error?.bytesLost)
            }
        }
    }

    @Test("bytes that a connection has written and its peer resets are counted and logged")
    func lossWithoutRelay() async throws {
        let log = CapturedLog()
        try await withPair(logger: log.logger) { a, b in
            let writer = Task { try await a.write(numberedBytes(20_000_000)) }
            try await a.untilWriting()
            a.abort()
            #expect(await code { try await writer.value } == .closed)
            let lost = await a.bytesLost
            #expect(lost > 0)
            #expect(log.lines("bytes lost").map { $0.metadata["bytes"] } == ["\(lost)"])
        }
    }

    @Test(
        "a server is told of a client that half-closes and then resets, though it is silent itself"
    )
    func resetAfterHalfClose() async throws {
        try await withJoint { joint in
            let relaying = joint.relaying(halfClose: nil)
            try await joint.client.closeWrite()
            #expect(try await joint.server.read(atMost: 1) == nil)
            let reader = Task { try await joint.server.fullyEnded() }
            joint.client.abort()
            guard case .failed = try await reader.value else {
                Issue.record("the server reads no reset")
                return
            }
            #expect(await failure(of: relaying)?.code == .connectionReset)
        }
    }

    @Test(
        "what a client has sent before it resets is delivered before the reset",
        arguments: [
            false, true,
        ]
    )
    func bytesBeforeReset(halfCloses: Bool) async throws {
        try await withJoint { joint in
            let relaying = joint.relaying()
            let bytes = numberedBytes(1_000_000)
            try await joint.client.write(bytes)
            if halfCloses { try await joint.client.closeWrite() }
            try await joint.client.untilAcknowledged()
            joint.client.abort()
            #expect(try await joint.server.read(exactly: bytes.count) == bytes)
            let found = await code {
                if try await joint.server.read(atMost: 1) == nil {
                    // The end was passed on before the reset came.
                    if case .failed(let error) = try await joint.server.fullyEnded() { throw error }
                }
            }
            #expect(found == .connectionReset)
            #expect(await failure(of: relaying)?.bytesLost == 0)
        }
    }

    @Test(
        "a half-open pair in which nothing moves ends after its limit, and both sides learn of it"
    )
    func halfCloseLimit() async throws {
        try await withJoint { joint in
            let relaying = joint.relaying(halfClose: .milliseconds(20))
            try await joint.client.closeWrite()
            let error = await failure(of: relaying)
            #expect(error?.code == .timedOut)
            #expect(error?.description.contains("half-open") == true)
            #expect(await code { try await joint.client.read(atMost: 1) } == .connectionReset)
        }
    }

    @Test("any byte that moves starts the limit of a half-open pair anew")
    func trafficExtends() async throws {
        try await withHandDrivenLoop { driver, group in
            let loop = group.loops[0]
            let (client, near) = try connectedDescriptors()
            let (far, server) = try connectedDescriptors()
            defer { for descriptor in [client, server] { _ = endpoints_close(descriptor) } }
            let a = Connection.over(OwnedDescriptor(near), on: loop)
            let b = Connection.over(OwnedDescriptor(far), on: loop)
            let isOver = Tally()
            let relaying = Task {
                defer { isOver.add() }
                return try await relay(between: a, and: b)
            }
            try await a.whenReading()
            try await b.whenReading()
            _ = endpoints_shutdown(client, Int32(SHUT_WR))
            driver.report([.readable, .readHangUp], of: near)
            while await !b.perform({ $0.writeObstacles.contains(.writeEnded) }) {
                await Task.yield()
            }
            /// How many seconds pass until the relay is over, at most `limit`.
            func seconds(atMost limit: Int) async -> Int {
                for second in 0..<limit {
                    if isOver.value > 0 { return second }
                    driver.advance(by: .seconds(1))
                    for _ in 0..<10 {
                        await a.perform { _ in }
                        await Task.yield()
                    }
                }
                return limit
            }
            for _ in 0..<3 {
                #expect(await seconds(atMost: 50) == 50)
                #expect(endpoints_send(server, [1], 1) == 1)
                while await b.perform({ $0.base.unreadCount }) == 0 { await Task.yield() }
                driver.report(.readable, of: far)
                var byte: UInt8 = 0
                while endpoints_recv(client, &byte, 1) != 1 { await Task.yield() }
            }
            #expect(await (60...95).contains(seconds(atMost: 200)))
            #expect(await failure(of: relaying)?.code == .timedOut)
        }
    }
}

extension Connection {
    /// Returns when a task waits for bytes; needs no timer.
    fileprivate func whenReading() async throws {
        while !isReading { await Task.yield() }
    }
}
