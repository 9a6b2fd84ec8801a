import CEndpoints
import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

private func expect(
    _ end: ConnectionEnd,
    is expected: String,
    at location: SourceLocation = #_sourceLocation
) {
    let name =
        switch end {
        case .closed: "closed"
        case .peerClosed: "peerClosed"
        case .truncated: "truncated"
        case .failed(let error): "failed \(error.code)"
        }
    #expect(name == expected, sourceLocation: location)
}

@Suite("Ending", .timeLimit(.minutes(1)))
struct EndingTests {
    @Test("half-close: the peer reads the end and can still answer", arguments: PairKind.allCases)
    func halfClose(kind: PairKind) async throws {
        try await withPair(kind) { a, b in
            try await a.write("question".utf8)
            try await a.closeWrite()
            try await a.closeWrite()
            #expect(await code { try await a.write([1]) } == .closed)
            #expect(await code { try await a.write([[1]]) } == .closed)
            var question: [UInt8] = []
            for try await chunk in b { question += chunk }
            #expect(question == Array("question".utf8))
            try await b.write("answer".utf8)
            await b.close()
            #expect(try await a.read(exactly: 6) == Array("answer".utf8))
            #expect(try await a.read(atMost: 1) == nil)
        }
    }

    @Test("closeWrite comes after the writes that were called before")
    func halfCloseAfterWrites() async throws {
        try await withPair(.unix) { a, b in
            let bytes = numberedBytes(5_000_000)
            let writer = Task { try await a.write(bytes) }
            try await a.untilWriting()
            let closer = Task { try await a.closeWrite() }
            #expect(try await b.read(exactly: bytes.count) == bytes)
            #expect(try await b.read(atMost: 1) == nil)
            try await writer.value
            try await closer.value
        }
    }

    @Test("after close and after abort every call gets closed", arguments: [false, true])
    func refused(byAbort: Bool) async throws {
        try await withPair { a, b in
            if byAbort { a.abort() } else { await a.close() }
            await a.close()
            #expect(await code { try await a.read(atMost: 1) } == .closed)
            #expect(await code { try await a.read(exactly: 1) } == .closed)
            #expect(await code { try await a.write([1]) } == .closed)
            #expect(await code { try await a.write([[1]]) } == .closed)
            #expect(await code { try await a.closeWrite() } == .closed)
            #expect(await code { for try await _ in a.lines() {} } == .closed)
            #expect(await code { try await a.sendFile("/proc/self/comm") } == .closed)
            expect(try await a.ended(), is: "closed")
        }
    }

    @Test("who waits when the connection is closed gets closed", arguments: [false, true])
    func waiting(byAbort: Bool) async throws {
        try await withPair { a, b in
            let reader = Task { try await a.read(atMost: 1) }
            let waiters = (0..<3).map { _ in Task { try await a.ended() } }
            try await a.untilReading()
            try await a.until { $0.extras?.endWaiters.count == 3 }
            let writer = Task { while true { try await a.write(numberedBytes(100_000)) } }
            if byAbort {
                try await a.untilWriting()
                let inLine = Task { try await a.write([1]) }
                try await a.until { $0.extras?.writersInLine.count == 1 }
                a.abort()
                #expect(await code { try await inLine.value } == .closed)
            } else {
                async let drained = b.perform { b in
                    var count = 0
                    while let chunk = try? await b.read(atMost: 65_536) { count += chunk.count }
                    return count
                }
                await a.close()
                _ = await drained
            }
            #expect(await code { try await reader.value } == .closed)
            #expect(await code { try await writer.value } == .closed)
            for waiter in waiters { expect(try await waiter.value, is: "closed") }
        }
    }

    @Test("close lets the writes that were called before finish")
    func closeAfterWrites() async throws {
        try await withPair(.unix) { a, b in
            let writers = (0..<4).map { index in
                Task { try await a.write([UInt8](repeating: UInt8(index), count: 3_000_000)) }
            }
            try await a.until { $0.extras?.writersInLine.count == 3 }
            let closer = Task { await a.close() }
            try await a.until { $0.phase == .closing }
            #expect(await code { try await a.write([1]) } == .closed)
            var count = 0
            for try await chunk in b { count += chunk.count }
            #expect(count == 12_000_000)
            for writer in writers { try await writer.value }
            await closer.value
        }
    }

    @Test(
        "bytes before close arrive, also when the peer's own were not read",
        .tags(.faults),
        .bug("https://github.com/apple/swift-nio/issues/2795", "swift-nio#2795"),
        arguments: PairKind.allCases,
        [false, true]
    )
    func bytesBeforeClose(kind: PairKind, isUnread: Bool) async throws {
        for _ in 0..<20 {
            try await withPair(kind) { a, b in
                if isUnread {
                    try await b.write(numberedBytes(1000))
                    try await a.until { $0.base.unreadCount == 1000 }
                }
                try await a.write(numberedBytes(100_000))
                let closer = Task { await a.close() }
                var bytes: [UInt8] = []
                for try await chunk in b { bytes += chunk }
                #expect(bytes == numberedBytes(100_000))
                await b.close()
                await closer.value
            }
        }
    }

    @Test("a reset is told from an end, with its reason", arguments: [false, true])
    func reset(whileReading: Bool) async throws {
        try await withPair { a, b in
            let reader = Task { try await a.read(atMost: 1) }
            if whileReading { try await a.untilReading() }
            b.abort()
            #expect(await code { try await reader.value } == .connectionReset)
            expect(try await a.ended(), is: "failed connectionReset")
            expect(try await a.ended(), is: "failed connectionReset")
            if case .failed(let error) = try await a.ended() {
                #expect("\(error)".contains("\(a.remoteAddress)"))
            }
        }
    }

    @Test("a reset that a write was told of is no end to the reads after it")
    func resetDuringWrite() async throws {
        try await withPair { a, b in
            b.abort()
            await b.close()
            #expect(await code { try await a.write("lost".utf8) } == .connectionReset)
            #expect(await code { _ = try await a.read(atMost: 1) } == .connectionReset)
            expect(try await a.ended(), is: "failed connectionReset")
        }
    }

    @Test("ended tells of the peer's end without reading, and the bytes are still there")
    func peerClosed() async throws {
        try await withPair { a, b in
            let waiters = (0..<3).map { _ in Task { try await a.ended() } }
            try await a.until { $0.extras?.endWaiters.count == 3 }
            try await b.write("unread".utf8)
            try await b.closeWrite()
            for waiter in waiters { expect(try await waiter.value, is: "peerClosed") }
            #expect(try await a.read(exactly: 6) == Array("unread".utf8))
            try await a.write("still".utf8)
            #expect(try await b.read(exactly: 5) == Array("still".utf8))
            await a.close()
            expect(try await a.ended(), is: "peerClosed")
        }
    }

    @Test("who has read the peer's end learns that the peer then resets", .bug(id: 11))
    func resetAfterEnd() async throws {
        try await withPair { a, b in
            try await b.closeWrite()
            #expect(try await a.read(atMost: 1) == nil)
            let waiter = Task { try await a.fullyEnded() }
            try await a.until { $0.extras?.endWaiters.count == 1 }
            expect(try await a.ended(), is: "peerClosed")
            b.abort()
            guard case .failed(let error) = try await waiter.value else {
                Issue.record("the reset is not told")
                return
            }
            #expect("\(error)".contains("\(a.remoteAddress)"))
            expect(try await a.ended(), is: "peerClosed")
            expect(try await a.fullyEnded(), is: "failed \(error.code)")
        }
    }

    @Test("a reset that a write finds behind the peer's end is the full end", .bug(id: 11))
    func resetFoundByWrite() async throws {
        try await withPair { a, b in
            await b.close()
            #expect(try await a.read(atMost: 1) == nil)
            while await code(of: { try await a.write([1]) }) == nil {}
            guard case .failed = try await a.fullyEnded() else {
                Issue.record("the reset is not told")
                return
            }
        }
    }

    @Test(
        "two streams that have ended in order are a full end, whoever is first",
        .bug(id: 11),
        arguments: PairKind.allCases,
        [false, true]
    )
    func bothEnded(kind: PairKind, oursIsFirst: Bool) async throws {
        try await withPair(kind) { a, b in
            let waiter = Task { try await a.fullyEnded() }
            try await a.until { $0.extras?.endWaiters.count == 1 }
            try await (oursIsFirst ? a : b).closeWrite()
            if !oursIsFirst { expect(try await a.ended(), is: "peerClosed") }
            #expect(await a.perform { $0.extras?.endWaiters.count } == 1)
            try await (oursIsFirst ? b : a).closeWrite()
            expect(try await waiter.value, is: "peerClosed")
        }
    }

    @Test("our own close ends a wait for the full end", .bug(id: 11))
    func closedAfterEnd() async throws {
        try await withPair { a, b in
            try await b.closeWrite()
            expect(try await a.ended(), is: "peerClosed")
            let waiter = Task { try await a.fullyEnded() }
            try await a.until { $0.extras?.endWaiters.count == 1 }
            await a.close()
            expect(try await waiter.value, is: "closed")
        }
    }

    @Test("a memory pair tells of the full end, too", .bug(id: 11), arguments: [false, true])
    func memory(byAbort: Bool) async throws {
        let (a, b) = Connection.memoryPair()
        try await b.closeWrite()
        expect(try await a.ended(), is: "peerClosed")
        let waiter = Task { try await a.fullyEnded() }
        try await a.until { $0.extras?.endWaiters.count == 1 }
        if byAbort { b.abort() } else { await b.close() }
        expect(try await waiter.value, is: byAbort ? "failed connectionReset" : "peerClosed")
        await a.close()
    }

    @Test("a cancelled ended throws, and the connection is as it was", .tags(.cancellation))
    func cancelledEnded() async throws {
        try await withPair { a, b in
            let waiter = Task { try await a.ended() }
            try await a.until { $0.extras?.endWaiters.count == 1 }
            waiter.cancel()
            #expect(await isCancelled { try await waiter.value })
            #expect(await a.perform { $0.extras?.endWaiters.isEmpty } == true)
            try await b.write([1])
            #expect(try await a.read(exactly: 1) == [1])
        }
    }

    @Test("a cancelled close aborts and returns", .tags(.cancellation))
    func cancelledClose() async throws {
        try await withPair { a, b in
            let writer = Task { try await a.write([UInt8](repeating: 1, count: 50_000_000)) }
            try await a.untilWriting()
            let closer = Task { await a.close() }
            try await a.until { $0.phase == .closing }
            closer.cancel()
            await closer.value
            #expect(await code { try await writer.value } == .closed)
            let found = await code { for try await _ in b {} }
            #expect(found == .connectionReset)
        }
    }

    @Test("several closes at once all return when it is closed")
    func manyCloses() async throws {
        try await withPair(.unix) { a, b in
            let writer = Task { try await a.write(numberedBytes(3_000_000)) }
            try await a.untilWriting()
            let closers = (0..<5).map { _ in Task { await a.close() } }
            for try await _ in b {}
            for closer in closers { await closer.value }
            try await writer.value
        }
    }

    @Test(
        "the last reference gone, the descriptor is closed and a warning logged",
        arguments: [false, true]
    )
    func dropped(wasRegistered: Bool) async throws {
        let log = CapturedLog()
        try await withPair { a, b in
            let (first, second) = try connectedDescriptors()
            var dropped: Connection? = .over(OwnedDescriptor(first), on: a.loop, logger: log.logger)
            let peer = Connection.over(OwnedDescriptor(second), on: b.loop)
            if wasRegistered {
                let reader = Task { [dropped] in try await dropped?.read(atMost: 1) }
                try await dropped?.untilReading()
                reader.cancel()
                _ = await reader.result
            }
            dropped = nil
            #expect(try await peer.read(atMost: 1) == nil)
            while log.lines("connection dropped without close").isEmpty { await Task.yield() }
            #expect(log.lines("connection dropped without close").first?.level == .warning)
            #expect(log.lines.count == 1)
            await peer.close()
        }
    }

    @Test("a closed connection that is dropped logs nothing")
    func notDropped() async throws {
        let log = CapturedLog()
        try await withPair(logger: log.logger) { a, b in
            await a.close()
            b.abort()
        }
        #expect(log.lines.isEmpty)
    }

    @Test(
        "shutdown of the loops: who waits on a connection gets an error, and its descriptor is closed"
    )
    func shutdown() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let (first, second) = try connectedDescriptors()
        let a = Connection.over(OwnedDescriptor(first), on: group.next())
        let b = Connection.over(OwnedDescriptor(second), on: EventLoopGroup.shared.next())
        let reader = Task { try await a.read(atMost: 1) }
        let writer = Task { while true { try await a.write(numberedBytes(100_000)) } }
        let waiter = Task { try await a.ended() }
        try await a.untilReading()
        try await a.untilWriting()
        await group.shutdown()
        #expect(await code { try await reader.value } == .closed)
        #expect(await code { try await writer.value } == .closed)
        expect(try await waiter.value, is: "closed")
        while (try? await b.read(atMost: 65_536)) != nil {}
        await b.close()
        await a.close()
        #expect(await code { try await a.read(atMost: 1) } == .closed)
    }

    @Test("shutdown ends, though a connection that never waited has a time limit")
    func shutdownWithIdleTimer() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let (first, second) = try connectedDescriptors()
        let peer = OwnedDescriptor(second)
        let a = Connection.over(OwnedDescriptor(first), on: group.next())
        a.idleTimeout = .seconds(3600)
        await group.shutdown()
        #expect(await code { try await a.read(atMost: 1) } == .closed)
        _ = peer.rawValue
    }
}

@Suite("Idle time-out", .timeLimit(.minutes(1)))
struct IdleTimeoutTests {
    @Test("who waits gets timedOut, and the peer a reset", arguments: [false, true])
    func fires(writes: Bool) async throws {
        try await withPair { a, b in
            a.idleTimeout = .milliseconds(30)
            #expect(a.idleTimeout == .milliseconds(30))
            let start = ContinuousClock.now
            let found = await code {
                if writes {
                    while true { try await a.write(numberedBytes(1_000_000)) }
                } else {
                    _ = try await a.read(atMost: 1)
                }
            }
            #expect(found == .timedOut)
            #expect(ContinuousClock.now - start >= .milliseconds(30))
            expect(try await a.ended(), is: "failed timedOut")
            #expect(await code { for try await _ in b {} } == .connectionReset)
            #expect(await code { try await a.read(atMost: 1) } == .timedOut)
        }
    }
}
