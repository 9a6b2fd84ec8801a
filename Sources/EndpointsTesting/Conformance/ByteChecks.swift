// Checks of bytes: all of them, in order, in whatever pieces, in both directions at once.

import Endpoints

let byteChecks: [ConformanceCheck<ConnectionPair>] = [
    ConformanceCheck("bytes arrive, and answers too") { pair in
        for round in 0..<100 {
            let question = pattern(round * 7 + 1, seed: UInt64(round))
            try await pair.a.write(question)
            let heard = try await pair.b.read(exactly: question.count)
            try expect(heard == question, "round \(round): the bytes differ")
            try await pair.b.write(heard.reversed())
            let answer = try await pair.a.read(exactly: question.count)
            try expect(answer == question.reversed(), "round \(round): the answer differs")
        }
    },
    ConformanceCheck("single bytes arrive in order") { pair in
        let bytes = pattern(2_000)
        async let sent: Void = {
            for byte in bytes { try await pair.a.write([byte]) }
            try await pair.a.closeWrite()
        }()
        var received: [UInt8] = []
        while let chunk = try await pair.b.read(atMost: 1) {
            try expect(chunk.count == 1, "a read of at most 1 byte gave \(chunk.count)")
            received += chunk
        }
        try await sent
        try expect(received == bytes, "\(received.count) of \(bytes.count) bytes, or others")
    },
    ConformanceCheck("a big transfer is whole") { pair in
        let bytes = moreThanFits
        async let received = readAll(pair.b)
        try await pair.a.write(bytes)
        try await pair.a.closeWrite()
        let count = try await received.count
        try expect(
            isSame(try await received, as: bytes),
            "\(count) bytes of \(bytes.count), or others"
        )
    },
    ConformanceCheck("both directions work at once") { pair in
        let (forward, backward) = (moreThanFits, [UInt8](moreThanFits.dropFirst(1)))
        async let first: Void = send(forward, over: pair.a)
        async let second: Void = send(backward, over: pair.b)
        async let atB = readAll(pair.b)
        let atA = try await readAll(pair.a)
        try await first
        try await second
        try expect(isSame(try await atB, as: forward), "the first end's bytes differ")
        try expect(isSame(atA, as: backward), "the second end's bytes differ")
    },
    ConformanceCheck("a read into a buffer and one into a span get the same bytes") { pair in
        let bytes = pattern(100_000)
        async let sent: Void = send(bytes, over: pair.a)
        var received: [UInt8] = []
        var buffer = ReadBuffer()
        while received.count < bytes.count / 2 {
            try expect(try await pair.b.read(into: &buffer) > 0, "the end came early")
            received += buffer.prefix(buffer.count)
            buffer.removeAll()
        }
        received += try await readByHand(pair.b)
        try await sent
        try expect(received == bytes, "\(received.count) of \(bytes.count) bytes, or others")
    },
    ConformanceCheck("several parts are written as one") { pair in
        let parts = (0..<50).map { pattern($0 * 100, seed: UInt64($0)) }
        async let received = readAll(pair.b)
        try await pair.a.write(parts)
        try await pair.a.closeWrite()
        try expect(try await received == parts.flatMap { $0 }, "the bytes differ")
    },
    ConformanceCheck("nothing can be written and read") { pair in
        try await pair.a.write([UInt8]())
        try expect(try await pair.b.read(exactly: 0) == [], "read(exactly: 0) gives no bytes")
        try await pair.a.write([1])
        try expect(try await pair.b.read(exactly: 1) == [1], "the byte behind nothing arrives")
    },
    ConformanceCheck("what lines have read ahead comes next") { pair in
        try await pair.a.write("one\r\ntwo\nthree".utf8)
        var lines = pair.b.lines().makeAsyncIterator()
        let first = try await lines.next()
        try expect(first == "one", "the first line is \(first ?? "nil"), not one")
        let rest = try await pair.b.read(exactly: 9)
        try expect(rest == Array("two\nthree".utf8), "the rest is \(rest)")
    },
]

let orderChecks: [ConformanceCheck<ConnectionPair>] = [
    ConformanceCheck("writes of many tasks do not mix") { pair in
        let (tasks, writes, size) = (8, 20, 10_000)
        async let sent: Void = withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<tasks {
                group.addTask {
                    let block = [UInt8](repeating: UInt8(task), count: size)
                    for _ in 0..<writes { try await pair.a.write(block) }
                }
            }
            try await group.waitForAll()
        }
        for _ in 0..<tasks * writes {
            let block = try await pair.b.read(exactly: size)
            try expect(block.allSatisfy { $0 == block[0] }, "two writes were mixed")
        }
        try await sent
    },
    ConformanceCheck("a second reader is refused, and the first is left alone") { pair in
        let (outcomes, told) = AsyncStream.makeStream(of: CallOutcome.self)
        for _ in 0..<2 {
            Task { told.yield(await outcome { try await pair.b.read(exactly: 1) }) }
        }
        var ended = outcomes.makeAsyncIterator()
        // Nothing was written yet: who comes first waits, and only the other can be done.
        let second = await ended.next()
        try expect(second?.code == .busy, "the second reader gets busy, not \(describe(second))")
        try await pair.a.write([7])
        let first = await ended.next()
        try expect(first?.bytes == [7], "the first reader gets the byte, not \(describe(first))")
    },
    ConformanceCheck("a writer waits for its reader") { pair in
        let bytes = moreThanFits
        async let sent: Void = pair.a.write(bytes)
        let first = try await pair.b.read(exactly: 1)
        let written = try await bytesWrittenAtRest(pair.a, of: bytes.count)
        try expect(written < bytes.count, "all \(written) bytes were taken though 1 was read")
        let rest = try await pair.b.read(exactly: bytes.count - 1)
        try await sent
        try expect(isSame(first, rest, as: bytes), "the bytes differ")
    },
]

private func send(_ bytes: [UInt8], over connection: Connection) async throws {
    try await connection.write(bytes)
    try await connection.closeWrite()
}

/// How many bytes a write of `count` has put in, when that changes no more.
private func bytesWrittenAtRest(_ connection: Connection, of count: Int) async throws -> Int {
    let loop = EventLoopGroup.shared.next()
    var written = 0
    var looksAlike = 0
    // A carrier that takes whatever it gets must have had the time to take it all.
    while written < count && looksAlike < 10 {
        try await loop.sleep(for: .milliseconds(5))
        let now = await connection.byteCounts.written
        looksAlike = now == written ? looksAlike + 1 : 0
        written = now
    }
    return written
}

private func readByHand(_ connection: Connection) async throws -> [UInt8] {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1000, alignment: 16)
    defer { memory.deallocate() }
    var bytes: [UInt8] = []
    while true {
        var span = OutputRawSpan(buffer: memory, initializedCount: 0)
        let count = try await connection.read(into: &span)
        if count == 0 { return bytes }
        bytes += memory[..<count]
        _ = span.finalize(for: memory)
    }
}

/// What became of a call.
struct CallOutcome: Sendable, CustomStringConvertible {
    var bytes: [UInt8]?
    var error: (any Error)?

    var code: EndpointError.Code? { (error as? EndpointError)?.code }
    var description: String { error.map { "\($0)" } ?? bytes.map { "\($0.count) bytes" } ?? "end" }
}

func outcome(_ body: () async throws -> [UInt8]?) async -> CallOutcome {
    do { return CallOutcome(bytes: try await body()) } catch { return CallOutcome(error: error) }
}

func describe(_ outcome: CallOutcome?) -> String { outcome.map { "\($0)" } ?? "nothing" }
