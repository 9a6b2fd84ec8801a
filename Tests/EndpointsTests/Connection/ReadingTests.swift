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

@Suite("Reading", .timeLimit(.minutes(1)))
struct ReadingTests {
    @Test(
        "every form reads what the peer wrote, in order",
        arguments: PairKind.allCases,
        [false, true]
    )
    func forms(kind: PairKind, onLoop: Bool) async throws {
        try await withPair(kind) { a, b in
            try await a.write(numberedBytes(100))
            let read: nonisolated(nonsending) @Sendable () async throws -> [UInt8] = {
                var bytes = try await b.read(exactly: 10)
                bytes += try await b.read(atMost: 5) ?? []
                var buffer = ReadBuffer(capacity: 20)
                while buffer.count < 20 { try await b.read(into: &buffer) }
                bytes += buffer.prefix(20)
                let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 1)
                defer { room.deallocate() }
                var span = OutputRawSpan(buffer: room, initializedCount: 0)
                while span.freeCapacity > 0 { try await b.read(into: &span) }
                _ = span.finalize(for: room)
                bytes += [UInt8](room)
                bytes += try await b.read(exactly: 100 - bytes.count)
                return bytes
            }
            let bytes = onLoop ? try await b.perform { _ in try await read() } : try await read()
            #expect(bytes == numberedBytes(100))
        }
    }

    @Test("the peer's end is nil, 0, an empty iteration, and stays so")
    func end() async throws {
        try await withPair { a, b in
            try await a.write("last".utf8)
            try await a.closeWrite()
            var chunks: [[UInt8]] = []
            for try await chunk in b { chunks.append(chunk) }
            #expect(chunks.flatMap { $0 } == Array("last".utf8))
            #expect(try await b.read(atMost: 1) == nil)
            var buffer = ReadBuffer()
            #expect(try await b.read(into: &buffer) == 0)
            for try await _ in b { Issue.record("nothing comes after the end") }
        }
    }

    @Test("an end that comes too soon throws with what came")
    func unexpectedEnd() async throws {
        try await withPair { a, b in
            try await a.write("abc".utf8)
            try await a.closeWrite()
            let error = await #expect(throws: EndpointError.self) { try await b.read(exactly: 4) }
            #expect(error?.code == .unexpectedEnd)
            #expect(error?.received == Array("abc".utf8))
            #expect(error?.description.contains("read test") == true)
        }
    }

    @Test("wrong arguments are the caller's fault, and nothing is read")
    func wrongArguments() async throws {
        try await withPair { a, b in
            try await a.write("x".utf8)
            #expect(await code { try await b.read(atMost: 0) } == .invalidArgument)
            #expect(await code { try await b.read(exactly: -1) } == .invalidArgument)
            #expect(try await b.read(exactly: 0) == [])
            let full = await code {
                var buffer = ReadBuffer(capacity: 1)
                try await b.read(into: &buffer)
                try await b.read(into: &buffer)
            }
            #expect(full == .invalidArgument)
            try await a.write("y".utf8)
            #expect(try await b.read(exactly: 1) == [UInt8(ascii: "y")])
        }
    }

    @Test("a second reader is refused and the first is left alone", arguments: [false, true])
    func secondReader(firstHasSome: Bool) async throws {
        try await withPair { a, b in
            let first = Task { try await b.read(exactly: 6) }
            try await b.untilReading()
            if firstHasSome {
                try await a.write("abc".utf8)
                try await b.until { $0.bytesRead == 3 && $0.isReading }
            }
            #expect(await code { try await b.read(atMost: 10) } == .busy)
            #expect(await code { for try await _ in b.lines() {} } == .busy)
            try await a.write((firstHasSome ? "def" : "abcdef").utf8)
            #expect(try await first.value == Array("abcdef".utf8))
        }
    }

    // Between the parts of a `read(exactly:)` from a task elsewhere nobody may slip in.
    @Test("readers that come and go never take bytes out of a longer read")
    func interleaved() async throws {
        try await withPair { a, b in
            for turn in 0..<30 {
                let reader = Task { try await b.read(exactly: 64) }
                try await b.untilReading()
                let intruders = (0..<2).map { _ in
                    Task {
                        while !Task.isCancelled {
                            if let bytes = try? await b.read(atMost: 1) { return bytes }
                            await Task.yield()
                        }
                        return []
                    }
                }
                for part in 0..<8 {
                    try await a.write(numberedBytes(8, from: turn + part * 8))
                    try await a.loop.sleep(for: .microseconds(200))
                }
                #expect(try await reader.value == numberedBytes(64, from: turn))
                for intruder in intruders {
                    intruder.cancel()
                    #expect(await intruder.value == [])
                }
            }
        }
    }

    @Test("a connection whose peer is always ready lets others on its loop run")
    func budget() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let facts = ConnectionFacts(
            localAddress: SocketAddress(path: ""),
            remoteAddress: SocketAddress(path: "")
        )
        let origin = ConnectionOrigin(endpoint: "test", logger: quietLogger)
        for writes in [false, true] {
            let busy = Connection(
                EndlessTransport(),
                facts: facts,
                origin: origin,
                on: group.next()
            )
            let stop = Tally()
            let task = Task(executorPreference: group.next()) {
                var buffer = ReadBuffer()
                while stop.value == 0 {
                    if writes {
                        try await busy.write([1])
                    } else {
                        try await busy.read(into: &buffer)
                        buffer.removeAll()
                    }
                }
            }
            // Needs a turn of the loop.
            try await group.next().sleep(for: .milliseconds(2))
            stop.add()
            try await task.value
            await busy.close()
        }
        await group.shutdown()
    }
}

/// A transport that never makes anybody wait.
private final class EndlessTransport: BaseTransport, Transport {
    var base: BaseTransport { self }
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer { .moved(1) }
    func write(_ bytes: UnsafeRawBufferPointer) -> Transfer { .moved(bytes.count) }
    func write(_ parts: UnsafeBufferPointer<iovec>) -> Transfer { .moved(0) }
    func closeWrite() -> Transfer { .moved(0) }
    func end(after readiness: Readiness) -> ConnectionEnd? { nil }
}
