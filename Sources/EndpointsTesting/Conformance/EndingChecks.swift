// Checks of how a stream ends: half-close, close, abort, time limits, and who is told what.
//
// A close may wait for the peer's end, for a second at most, as it does over TLS: so in each check the
// other end closes too, and does not wait until the first has.

import Endpoints

let endingChecks: [ConformanceCheck<ConnectionPair>] = [
    ConformanceCheck("half-close ends one direction and keeps the other") { pair in
        try await pair.a.write("question".utf8)
        try await pair.a.closeWrite()
        let question = try await readAll(pair.b)
        try expect(question == Array("question".utf8), "the question is \(question)")
        let again = try await pair.b.read(atMost: 1)
        try expect(again == nil, "the end is read again, not \(again ?? [])")
        try await pair.b.write("answer".utf8)
        try await pair.b.closeWrite()
        let answer = try await readAll(pair.a)
        try expect(answer == Array("answer".utf8), "the answer is \(answer)")
    },
    ConformanceCheck("half-close may be called twice, and ends writing") { pair in
        try await pair.a.closeWrite()
        try await pair.a.closeWrite()
        try await expectError(.closed, from: "a write after closeWrite") {
            try await pair.a.write([1])
        }
        try expect(try await pair.b.read(atMost: 1) == nil, "the peer reads the end")
    },
    ConformanceCheck("bytes short of what was asked are unexpectedEnd, with the bytes") { pair in
        try await pair.a.write("abc".utf8)
        try await pair.a.closeWrite()
        do { _ = try await pair.b.read(exactly: 4) } catch let error as EndpointError {
            try expect(error.code == .unexpectedEnd, "unexpectedEnd, not \(error)")
            try expect(error.received == Array("abc".utf8), "received is \(error.received)")
            return
        }
        throw Unexpected("3 bytes were given for 4")
    },
    ConformanceCheck("close ends the peer's read, waiting or not") { pair in
        async let waiting = outcome { try await pair.b.read(atMost: 1) }
        async let closed: Void = pair.a.close()
        let end = await waiting
        try expect(end.error == nil && end.bytes == nil, "the peer reads the end, not \(end)")
        let later = try await pair.b.read(atMost: 1)
        try expect(later == nil, "the end is read again, not \(later ?? [])")
        await pair.b.close()
        await closed
    },
    ConformanceCheck("close may be called by many, and ends all calls") { pair in
        async let reading = outcome { try await pair.a.read(atMost: 1) }
        async let closed: Void = withTaskGroup(of: Void.self) { group in
            for _ in 0..<5 { group.addTask { await pair.a.close() } }
        }
        _ = try await readAll(pair.b)
        await pair.b.close()
        await closed
        await pair.a.close()
        let read = await reading
        try expect(read.code == .closed, "the own read gets closed, not \(read)")
        try await expectError(.closed, from: "a read after close") {
            _ = try await pair.a.read(atMost: 1)
        }
        try await expectError(.closed, from: "a write after close") { try await pair.a.write([1]) }
    },
    ConformanceCheck("close lets the writes before it finish") { pair in
        let bytes = moreThanFits
        async let sent: Void = pair.a.write(bytes)
        let first = try await pair.b.read(exactly: 1)
        async let closed: Void = pair.a.close()
        let rest = try await readAll(pair.b)
        await pair.b.close()
        try await sent
        await closed
        try expect(
            isSame(first, rest, as: bytes),
            "\(rest.count + 1) of \(bytes.count) bytes, or others"
        )
    },
    ConformanceCheck("a peer that goes away ends a write") { pair in
        async let sent = outcome {
            try await pair.a.write(moreThanFits)
            return nil
        }
        _ = try await pair.b.read(exactly: 1)
        pair.b.abort()
        let write = await sent
        try expect(write.error is EndpointError, "the write gets an EndpointError, not \(write)")
    },
    ConformanceCheck("an abort reads as a reset, and ends all own calls") { pair in
        async let reading = outcome { try await pair.b.read(atMost: 1) }
        async let own = outcome { try await pair.a.read(atMost: 1) }
        // Both may be waiting by now; what they get is the same in any case.
        for _ in 0..<20 { await Task.yield() }
        pair.a.abort()
        let (peer, ours) = await (reading, own)
        try expect(peer.code == .connectionReset, "the peer gets connectionReset, not \(peer)")
        try expect(ours.code == .closed, "the own read gets closed, not \(ours)")
        try await expectError(.closed, from: "a write after abort") { try await pair.a.write([1]) }
        await pair.a.close()
    },
    ConformanceCheck("the end is told to all who wait for it, and remembered") { pair in
        async let one = pair.b.ended()
        async let two = pair.b.ended()
        try await pair.a.write([1])
        try await pair.a.closeWrite()
        for end in try await [one, two, pair.b.ended()] {
            guard case .peerClosed = end else { throw Unexpected("peerClosed, not \(end)") }
        }
        try expect(try await pair.b.read(exactly: 1) == [1], "the byte is still there")
        try await pair.b.write([2])
        try expect(try await pair.a.read(exactly: 1) == [2], "writing still works")
        await pair.b.close()
        guard case .peerClosed = try await pair.b.ended() else {
            throw Unexpected("what came first is remembered")
        }
        await pair.a.close()
        let end = try await pair.a.ended()
        switch end {
        case .closed, .peerClosed: break
        default: throw Unexpected("the other end has closed, not \(end)")
        }
    },
    ConformanceCheck("a reset is noticed without reading") { pair in
        async let end = pair.b.ended()
        pair.a.abort()
        guard case .failed(let error) = try await end, error.code == .connectionReset else {
            throw Unexpected("the end is failed with connectionReset, not \(try await end)")
        }
        guard case .closed = try await pair.a.ended() else {
            throw Unexpected("the end of who aborts is closed")
        }
    },
    ConformanceCheck("an idle connection is ended by its time limit") { pair in
        pair.a.idleTimeout = .milliseconds(20)
        try await expectError(.timedOut, from: "a read that waits too long") {
            _ = try await pair.a.read(atMost: 1)
        }
        guard case .failed(let error) = try await pair.a.ended(), error.code == .timedOut else {
            throw Unexpected("the end is failed with timedOut")
        }
    },
]

/// Closes both ends of a stream at once.
func close(_ one: Connection, _ other: Connection) async {
    async let closed: Void = one.close()
    await other.close()
    await closed
}
