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

@Suite("Writing", .timeLimit(.minutes(1)))
struct WritingTests {
    @Test("every form writes its bytes, in the order of the calls", arguments: PairKind.allCases)
    func forms(kind: PairKind) async throws {
        try await withPair(kind) { a, b in
            let write: nonisolated(nonsending) @Sendable () async throws -> Void = {
                try await a.write([1, 2])
                try await a.write([])
                try await a.write("ab".utf8)
                try await a.write([3, 4][...])
                try await a.write([[5], [], [6, 7]])
                try await a.write([UInt8](8...9).span.bytes)
            }
            try await write()
            try await a.perform { _ in try await write() }
            let once: [UInt8] = [1, 2, 97, 98, 3, 4, 5, 6, 7, 8, 9]
            #expect(try await b.read(exactly: 22) == once + once)
        }
    }

    @Test("a buffer that was read is written, and keeps its bytes")
    func buffer() async throws {
        try await withPair { a, b in
            try await a.write("echo".utf8)
            var buffer = ReadBuffer()
            while buffer.count < 4 { try await b.read(into: &buffer) }
            try await b.write(buffer)
            #expect(buffer.count == 4)
            #expect(try await a.read(exactly: 4) == Array("echo".utf8))
        }
    }

    @Test("several pieces arrive as one, however many and however large", arguments: [1, 3, 1500])
    func parts(count: Int) async throws {
        try await withPair { a, b in
            let parts = (0..<count).map { numberedBytes(1_500_000 / count, from: $0) }
            async let written: Void = a.write(parts)
            #expect(
                try await b.read(exactly: parts.reduce(0) { $0 + $1.count }) == parts.flatMap { $0 }
            )
            try await written
        }
    }

    @Test(
        "writes of many tasks are atomic, and one task's are in order",
        arguments: PairKind.allCases
    )
    func atomic(kind: PairKind) async throws {
        try await withPair(kind) { a, b in
            let size = 70_001
            let loop = a.loop
            let writers = Task {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for writer in 0..<16 {
                        let place = writer % 2 == 0 ? loop : nil
                        group.addTask(executorPreference: place) {
                            for turn in 0..<4 {
                                let mark = UInt8(writer * 16 + turn)
                                let bytes = [UInt8](repeating: mark, count: size)
                                if turn == 2 {
                                    try await a.write([bytes])
                                } else {
                                    try await a.write(bytes)
                                }
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            var last = [Int](repeating: -1, count: 16)
            for _ in 0..<64 {
                let bytes = try await b.read(exactly: size)
                let (writer, turn) = (Int(bytes[0]) / 16, Int(bytes[0]) % 16)
                #expect(bytes == [UInt8](repeating: bytes[0], count: size))
                #expect(turn == last[writer] + 1)
                last[writer] = turn
            }
            try await writers.value
        }
    }

    @Test(
        "a write of no bytes is one: refused where any is, and done when those before it are",
        arguments: [false, true]
    )
    func empty(onLoop: Bool) async throws {
        /// What each form of an empty write throws.
        @Sendable nonisolated(nonsending) func codes(
            _ connection: Connection
        ) async -> [EndpointError.Code?] {
            [
                await code { try await connection.write([]) },
                await code { try await connection.write("".utf8) },
                await code { try await connection.write([[UInt8]]()) },
                await code { try await connection.write(ReadBuffer()) },
                await code { try await connection.write([UInt8]().span.bytes) },
            ]
        }
        for ending in 0..<3 {
            try await withPair(.unix) { a, b in
                let place = onLoop ? a.loop : nil
                let before = Task(executorPreference: place) { await codes(a) }
                #expect(await before.value == [nil, nil, nil, nil, nil])
                switch ending {
                case 0: await a.close()
                case 1: a.abort()
                default: try await a.closeWrite()
                }
                let after = Task(executorPreference: place) { await codes(a) }
                #expect(await after.value == [EndpointError.Code?](repeating: .closed, count: 5))
            }
        }
        try await withPair(.unix) { a, b in
            let bytes = numberedBytes(2_000_000)
            let first = Task { try await a.write(bytes) }
            try await a.untilWriting()
            let empty = Task(executorPreference: onLoop ? a.loop : nil) { try await a.write([]) }
            try await a.until { $0.extras?.writersInLine.count == 1 }
            #expect(try await b.read(exactly: bytes.count) == bytes)
            try await first.value
            try await empty.value
        }
    }

    @Test("the 1,025th waiting write is refused, and the others are left alone")
    func line() async throws {
        try await withPair(.unix) { a, b in
            let writers = (0..<1025).map { _ in
                Task { try await a.write([UInt8](repeating: 1, count: 1_000_000)) }
            }
            try await a.until { $0.extras?.writersInLine.count == 1024 }
            #expect(await code { try await a.write([1]) } == .busy)
            for writer in writers { writer.cancel() }
            var codes: [EndpointError.Code?: Int] = [:]
            for writer in writers { codes[await code { try await writer.value }, default: 0] += 1 }
            // Cancelled, or refused since the first, which had begun, was cancelled before them.
            #expect((codes[nil] ?? 0) + (codes[.partialWrite] ?? 0) == 1025)
            #expect(await a.perform { $0.extras?.writersInLine.isEmpty } == true)
        }
    }

    @Test(
        "a peer that never reads costs no memory; the writer waits and can be cancelled",
        .tags(.faults)
    )
    func neverReads() async {
        await #expect(processExitsWith: .success) {
            try await withPair { a, b in
                let block = numberedBytes(65_536)
                let warm = Task { while true { try await a.write(block) } }
                try await a.untilWriting()
                warm.cancel()
                _ = await warm.result
                let before = residentBytes()
                let (c, d) = try connectedDescriptors()
                let writing = Connection.over(OwnedDescriptor(c), on: a.loop)
                let silent = Connection.over(OwnedDescriptor(d), on: b.loop)
                let writer = Task { while true { try await writing.write(block) } }
                try await writing.untilWriting()
                for _ in 0..<20 { try await writing.loop.sleep(for: .milliseconds(5)) }
                let operation = await writing.perform { $0.extras?.writeGate?.call.operation }
                #expect(operation == .write)
                #expect(residentBytes() - before < 1 << 20)
                writer.cancel()
                #expect(await isCancelled { try await writer.value })
                writing.abort()
                silent.abort()
            }
        }
    }

    @Test("a peer that is gone is a reset, to the next write, too", .tags(.faults))
    func peerGone() async throws {
        try await withPair { a, b in
            b.abort()
            guard case .failed(let error) = try await a.ended() else {
                Issue.record("a reset is a failure")
                return
            }
            #expect(error.code == .connectionReset)
            for onLoop in [false, true, false] {
                let found = await code {
                    let bytes = [UInt8](repeating: 0, count: 10)
                    if onLoop {
                        try await a.perform { try await $0.write(bytes) }
                    } else {
                        try await a.write(bytes)
                    }
                }
                #expect(found == .connectionReset)
            }
            #expect(await code { try await a.write([[1]]) } == .connectionReset)
        }
    }
}
