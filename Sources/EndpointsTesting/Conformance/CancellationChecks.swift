// Checks of cancellation: it ends any wait at once, and leaves what the library promises. When a
// cancellation comes is varied by some turns of the executor, since no moment is to make a
// difference.

import Endpoints

let cancellationChecks: [ConformanceCheck<ConnectionPair>] = [
    ConformanceCheck("a cancelled read loses no byte") { pair in
        let bytes = pattern(200)  // Unread ones must fit: a UNIX socket keeps less than 300 writes.
        var received: [UInt8] = []
        for (round, byte) in bytes.enumerated() {
            let reading = Task { try await pair.b.read(atMost: 1) }
            async let sent: Void = pair.a.write([byte])
            for _ in 0..<round % 9 { await Task.yield() }
            reading.cancel()
            do { received += try await reading.value ?? [] } catch is CancellationError {}
            try await sent
        }
        try await pair.a.closeWrite()
        received += try await readAll(pair.b)
        try expect(received == bytes, "\(received.count) of \(bytes.count) bytes, or others")
    },
    ConformanceCheck("a cancelled read of a number of bytes gives back what had come") { pair in
        for round in 0..<20 {
            try await pair.a.write("abc".utf8)
            let reading = Task { try await pair.b.read(exactly: 4) }
            for _ in 0..<round { await Task.yield() }
            reading.cancel()
            try await expectCancelled("a read", reading)
            let rest = try await pair.b.read(exactly: 3)
            try expect(rest == Array("abc".utf8), "round \(round): the bytes are \(rest)")
        }
    },
    ConformanceCheck("a cancelled wait for the end leaves the connection as it was") { pair in
        let waiting = Task { try await pair.b.ended() }
        for _ in 0..<20 { await Task.yield() }
        waiting.cancel()
        try await expectCancelled("ended", waiting)
        try await pair.a.write([1])
        try expect(try await pair.b.read(exactly: 1) == [1], "the byte arrives")
    },
    ConformanceCheck("a cancelled task's calls throw at once and do nothing") { pair in
        try await pair.a.write([1])
        let calls = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            let read = await outcome { try await pair.b.read(atMost: 1) }
            let write = await outcome {
                try await pair.b.write([9])
                return nil
            }
            return [read, write]
        }
        for call in await calls.value {
            try expect(call.error is CancellationError, "CancellationError, not \(call)")
        }
        try expect(try await pair.b.read(exactly: 1) == [1], "the byte is still there")
        try await pair.b.write([2])
        try expect(try await pair.a.read(exactly: 1) == [2], "nothing was written before")
    },
    ConformanceCheck("a write that is cancelled in line did not happen") { pair in
        let bytes = moreThanFits
        async let sent: Void = pair.a.write(bytes)
        let first = try await pair.b.read(exactly: 1)
        let inLine = Task { try await pair.a.write("lost".utf8) }
        for _ in 0..<20 { await Task.yield() }
        inLine.cancel()
        try await expectCancelled("a write", inLine)
        let rest = try await pair.b.read(exactly: bytes.count - 1)
        try await sent
        try expect(isSame(first, rest, as: bytes), "the bytes before it differ")
        try await pair.a.write("kept".utf8)
        let next = try await pair.b.read(exactly: 4)
        try expect(next == Array("kept".utf8), "the next write's bytes are \(next)")
    },
    ConformanceCheck("a write that is cut off ends writing, and reading works") { pair in
        let writing = Task { try await pair.a.write(moreThanFits) }
        _ = try await pair.b.read(exactly: 1)
        writing.cancel()
        try await expectCancelled("a write", writing)
        try await expectError(.partialWrite, from: "the next write") {
            try await pair.a.write([1])
        }
        try await expectError(.partialWrite, from: "closeWrite") { try await pair.a.closeWrite() }
        try await pair.b.write([2])
        try expect(try await pair.a.read(exactly: 1) == [2], "reading works")
    },
    ConformanceCheck("a stream that was cut off does not end as a whole one") { pair in
        let writing = Task { try await pair.a.write(moreThanFits) }
        _ = try await pair.b.read(exactly: 1)
        writing.cancel()
        try await expectCancelled("a write", writing)
        async let rest = outcome { try await readAll(pair.b) }
        await pair.a.close()
        let end = await rest
        let isRight = end.code == .connectionReset || end.code == .truncated
        try expect(isRight, "the peer gets connectionReset or truncated, not \(end)")
    },
    ConformanceCheck("a cancelled close aborts") { pair in
        async let sent = outcome {
            try await pair.a.write(moreThanFits)
            return nil
        }
        _ = try await pair.b.read(exactly: 1)
        let closing = Task { await pair.a.close() }
        for _ in 0..<20 { await Task.yield() }
        closing.cancel()
        await closing.value
        let write = await sent
        try expect(write.code == .closed, "the write gets closed, not \(write)")
        let end = await outcome { try await readAll(pair.b) }
        let isRight = end.code == .connectionReset || end.code == .truncated
        try expect(isRight, "the peer gets connectionReset or truncated, not \(end)")
    },
]
