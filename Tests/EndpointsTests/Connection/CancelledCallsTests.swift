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

@Suite("Cancelled calls", .tags(.cancellation), .timeLimit(.minutes(1)))
struct CancelledCallsTests {
    @Test("a cancelled read loses no byte", arguments: [false, true])
    func read(onLoop: Bool) async throws {
        try await withPair { a, b in
            let reader = Task(executorPreference: onLoop ? b.loop : nil) {
                try await b.read(atMost: 9)
            }
            try await b.untilReading()
            reader.cancel()
            #expect(await isCancelled { try await reader.value })
            try await a.write("abc".utf8)
            #expect(try await b.read(exactly: 3) == Array("abc".utf8))
        }
    }

    @Test(
        "a cancelled read(exactly:) leaves what had come for the next read, of any form",
        arguments: 0..<4
    )
    func readExactly(form: Int) async throws {
        try await withPair { a, b in
            let reader = Task { try await b.read(exactly: 100_000) }
            try await a.write("ab\nc".utf8)
            try await b.until { $0.bytesRead == 4 && $0.isReading }
            reader.cancel()
            #expect(await isCancelled { try await reader.value })
            try await a.write("d\n".utf8)
            switch form {
            case 0: #expect(try await b.read(exactly: 6) == Array("ab\ncd\n".utf8))
            case 1:
                #expect(try await b.read(atMost: 3) == Array("ab\n".utf8))
                #expect(try await b.read(exactly: 3) == Array("cd\n".utf8))
            case 2:
                var lines = b.lines().makeAsyncIterator()
                #expect(try await lines.next() == "ab")
                #expect(try await lines.next() == "cd")
            default:
                var buffer = ReadBuffer()
                while buffer.count < 6 { try await b.read(into: &buffer) }
                #expect(buffer.prefix(6) == Array("ab\ncd\n".utf8))
            }
        }
    }

    @Test("a call in a task that is cancelled already does nothing, even where it would not wait")
    func before() async throws {
        try await withPair { a, b in
            try await a.write("x".utf8)
            for onLoop in [false, true] {
                let task = Task(executorPreference: onLoop ? b.loop : nil) {
                    withUnsafeCurrentTask { $0?.cancel() }
                    var count = 0
                    if await isCancelled({ try await b.read(atMost: 1) }) { count += 1 }
                    if await isCancelled({ try await b.read(exactly: 1) }) { count += 1 }
                    if await isCancelled({ try await b.write([1]) }) { count += 1 }
                    if await isCancelled({ try await b.write([[1]]) }) { count += 1 }
                    if await isCancelled({ try await b.closeWrite() }) { count += 1 }
                    if await isCancelled({ try await b.ended() }) { count += 1 }
                    if await isCancelled({ try await b.sendFile("/proc/self/comm") }) { count += 1 }
                    return count
                }
                #expect(await task.value == 7)
            }
            #expect(try await b.read(exactly: 1) == Array("x".utf8))
            try await b.write("y".utf8)
            #expect(try await a.read(exactly: 1) == Array("y".utf8))
        }
    }

    @Test(
        "a write that is cancelled before its first byte did not happen",
        arguments: [false, true]
    )
    func writeBefore(inLine: Bool) async throws {
        try await withPair(.unix) { a, b in
            // Fill the socket, then wait with a write none of whose bytes can leave.
            let filler = Task { try await a.write(numberedBytes(2_000_000)) }
            try await a.untilWriting()
            let writer = Task { try await a.write("never".utf8) }
            try await a.until { $0.extras?.writersInLine.count == 1 }
            if inLine {
                writer.cancel()
                #expect(await isCancelled { try await writer.value })
                try await a.until { $0.extras?.writersInLine.isEmpty == true }
            }
            #expect(try await b.read(exactly: 2_000_000) == numberedBytes(2_000_000))
            try await filler.value
            if !inLine {
                #expect(try await b.read(exactly: 5) == Array("never".utf8))
                try await writer.value
            }
            try await a.write("next".utf8)
            #expect(try await b.read(exactly: 4) == Array("next".utf8))
        }
    }

    @Test(
        "after a write that is cancelled half-way writing is over, reading works, and close resets"
    )
    func writeHalfWay() async throws {
        try await withPair { a, b in
            let writer = Task { try await a.write([UInt8](repeating: 1, count: 50_000_000)) }
            try await a.untilWriting()
            let inLine = Task { try await a.write([1]) }
            try await a.until { $0.extras?.writersInLine.count == 1 }
            writer.cancel()
            #expect(await isCancelled { try await writer.value })
            #expect(await code { try await inLine.value } == .partialWrite)
            #expect(await code { try await a.write([1]) } == .partialWrite)
            #expect(await code { try await a.write([[1]]) } == .partialWrite)
            #expect(await code { try await a.closeWrite() } == .partialWrite)
            #expect(await code { try await a.sendFile("/proc/self/comm") } == .partialWrite)
            try await b.write("hello".utf8)
            #expect(try await a.read(exactly: 5) == Array("hello".utf8))
            await a.close()
            #expect(await code { for try await _ in b {} } == .connectionReset)
        }
    }

    @Test(
        "a cancelled closeWrite sends nothing while earlier writes drain, and may be called again"
    )
    func closeWrite() async throws {
        try await withPair(.unix) { a, b in
            let bytes = numberedBytes(5_000_000)
            let writer = Task { try await a.write(bytes) }
            try await a.untilWriting()
            let closer = Task { try await a.closeWrite() }
            try await a.until { $0.extras?.writersInLine.count == 1 }
            closer.cancel()
            #expect(await isCancelled { try await closer.value })
            #expect(try await b.read(exactly: bytes.count) == bytes)
            try await writer.value
            try await a.write([7])
            try await a.closeWrite()
            #expect(try await b.read(exactly: 1) == [7])
            #expect(try await b.read(atMost: 1) == nil)
        }
    }

    @Test("the handler's own waits are woken by serve, which watches it, and the others by theirs")
    func owner() async throws {
        try await withListener { listening in
            let (served, serves) = AsyncStream.makeStream(of: Connection.self)
            let owned = Tally()
            let serving = Task {
                try await listening.listener.serve { connection in
                    serves.yield(connection)
                    if connection.ownsCurrentTask { owned.add() }
                    let child = Task { connection.ownsCurrentTask }
                    if await !child.value { owned.add() }
                    if await isCancelled({ try await connection.read(atMost: 1) }) { owned.add() }
                    // So does every later call.
                    if await isCancelled({ try await connection.read(atMost: 1) }) { owned.add() }
                    if await isCancelled({ try await connection.write([1]) }) { owned.add() }
                }
            }
            let client = try await listening.connect()
            let connection = try #require(await served.first { _ in true })
            try await connection.untilReading()
            serving.cancel()
            #expect(await isCancelled { try await serving.value })
            #expect(owned.value == 5)
            #expect(await connection.perform { $0.phase == .closed })
            await client.close()
        }
    }

    @Test("a handler that cancels its own task stops at the next wait")
    func ownCancellation() async throws {
        try await withListener { listening in
            let stopped = Tally()
            let serving = Task {
                try await listening.listener.serve { connection in
                    withUnsafeCurrentTask { $0?.cancel() }
                    if await isCancelled({ try await connection.read(atMost: 1) }) { stopped.add() }
                }
            }
            let client = try await listening.connect()
            #expect(try await client.read(atMost: 1) == nil)
            #expect(stopped.value == 1)
            await client.close()
            serving.cancel()
            _ = await serving.result
        }
    }

    @Test("every wait falls back to a handler of its own where the owner is not known")
    func fallback() async throws {
        try await withPair { a, b in
            let task = Task {
                try await b.perform { connection in
                    connection.owner = 16
                    defer { connection.owner = 0 }
                    #expect(!connection.ownsCurrentTask)
                    _ = try await connection.read(atMost: 1)
                }
            }
            try await b.untilReading()
            task.cancel()
            #expect(await isCancelled { try await task.value })
        }
    }
}
