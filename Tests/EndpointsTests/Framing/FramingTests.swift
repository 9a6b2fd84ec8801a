import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// The lines of `text`, sent in pieces of `size`; the code of the error that ended them comes last.
private func lines(of text: [UInt8], limit: Int = 65_536, size: Int) async throws -> [String] {
    try await withPair(.unix) { a, b in
        let writer = Task {
            for start in stride(from: 0, to: text.count, by: size) {
                try await a.write(text[start..<min(start + size, text.count)])
            }
            try await a.closeWrite()
        }
        var found: [String] = []
        do {
            for try await line in b.lines(limit: limit) { found.append(line) }
        } catch let error as EndpointError { found.append("error \(error.code)") }
        _ = await writer.result
        return found
    }
}

@Suite("Lines", .timeLimit(.minutes(1)))
struct LinesTests {
    @Test(
        "end with LF or CRLF, the last may lack it, and what is not UTF-8 is repaired",
        arguments: [
            ("", []), ("\n", [""]), ("a", ["a"]), ("a\n", ["a"]), ("a\r\n", ["a"]),
            ("a\n\nb", ["a", "", "b"]), ("a\r", ["a\r"]), ("\r\n\r\n", ["", ""]),
            ("a\rb\n", ["a\rb"]), ("a\r\r\n", ["a\r"]), ("é\n日本", ["é", "日本"]),
        ] as [(String, [String])],
        [1, 3, 4096]
    )
    func cutting(example: (String, [String]), size: Int) async throws {
        #expect(try await lines(of: Array(example.0.utf8), size: size) == example.1)
    }

    @Test("what is not UTF-8 is replaced")
    func repair() async throws {
        let found = try await lines(of: [0xff, 0x61, 0x0a, 0xc3], size: 10)
        #expect(found == ["\u{FFFD}a", "\u{FFFD}"])
    }

    @Test(
        "the limit counts a line without its end",
        arguments: [
            ("12345\n", ["12345"]), ("12345\r\n", ["12345"]), ("12345", ["12345"]),
            ("123456\n", ["error tooLong"]), ("123456\r\n", ["error tooLong"]),
            ("123456", ["error tooLong"]), ("1\n1234567890", ["1", "error tooLong"]),
        ] as [(String, [String])],
        [1, 4096]
    )
    func limit(example: (String, [String]), size: Int) async throws {
        #expect(try await lines(of: Array(example.0.utf8), limit: 5, size: size) == example.1)
    }

    @Test("the largest limit is no limit")
    func largestLimit() async throws {
        #expect(try await lines(of: Array("a\r\nb".utf8), limit: .max, size: 1) == ["a", "b"])
    }

    @Test("a last line over the limit stays with the connection")
    func longLastLine() async throws {
        try await withPair { a, b in
            try await a.write("123456".utf8)
            try await a.closeWrite()
            var iterator = b.lines(limit: 5).makeAsyncIterator()
            do { #expect(try await iterator.next() == nil) } catch let error as EndpointError {
                #expect(error.code == .tooLong)
                #expect(error.endpoint?.isEmpty == false)
            }
            #expect(try await b.read(exactly: 6) == Array("123456".utf8))
        }
    }

    @Test("what was read ahead stays with the connection, for a read of any form")
    func pushback() async throws {
        try await withPair { a, b in
            try await a.write("first\nsecond\nrest".utf8)
            for try await line in b.lines() {
                #expect(line == "first")
                break
            }
            #expect(try await b.read(exactly: 3) == Array("sec".utf8))
            var iterator = b.lines().makeAsyncIterator()
            #expect(try await iterator.next() == "ond")
            #expect(try await b.read(atMost: 100) == Array("rest".utf8))
        }
    }

    @Test("a line that a cancellation interrupted is whole afterwards", .tags(.cancellation))
    func cancelled() async throws {
        try await withPair { a, b in
            let reader = Task { for try await _ in b.lines() {} }
            try await a.write("half".utf8)
            try await b.until { $0.bytesRead == 4 && $0.isReading }
            reader.cancel()
            #expect(await isCancelled { try await reader.value })
            try await a.write("way\n".utf8)
            var iterator = b.lines().makeAsyncIterator()
            #expect(try await iterator.next() == "halfway")
        }
    }

    @Test(
        "an iterator that was interrupted looks at what has come since, whoever took the beginning"
    )
    func stale() async throws {
        try await withPair { a, b in
            let first = Task {
                var iterator = b.lines().makeAsyncIterator()
                var wasCancelled = false
                do { _ = try await iterator.next() } catch {
                    wasCancelled = error is CancellationError
                }
                // The task stays cancelled; go on with the same iterator in another.
                nonisolated(unsafe) var same = iterator
                return try await Task.detached { [wasCancelled] in
                    #expect(wasCancelled)
                    #expect(try await b.read(exactly: 4) == Array("half".utf8))
                    try await a.write("x\nyy\n".utf8)
                    return [try await same.next(), try await same.next()]
                }.value
            }
            try await a.write("half".utf8)
            try await b.until { $0.bytesRead == 4 && $0.isReading }
            first.cancel()
            #expect(try await first.value == ["x", "yy"])
        }
    }
}

/// Frames of one byte: a decoder of a user's own.
private struct Letters: FrameDecoder {
    mutating func next(in buffer: inout ReadBuffer) throws -> Character? {
        guard buffer.count > 0 else { return nil }
        let byte = buffer[0]
        if byte == UInt8(ascii: "!") { throw EndpointError(.truncated, operation: "decode") }
        buffer.removeFirst(1)
        return Character(Unicode.Scalar(byte))
    }
}

@Suite("Frames", .timeLimit(.minutes(1)))
struct FramesTests {
    private func frames<Decoder: FrameDecoder>(
        of bytes: [UInt8],
        size: Int,
        _ cut: @Sendable (Connection) -> ConnectionFrames<Decoder>
    ) async throws -> ([Decoder.Frame], EndpointError?) {
        try await withPair(.unix) { a, b in
            let writer = Task {
                for start in stride(from: 0, to: bytes.count, by: size) {
                    try await a.write(bytes[start..<min(start + size, bytes.count)])
                }
                try await a.closeWrite()
            }
            var found: [Decoder.Frame] = []
            var failure: EndpointError?
            do { for try await frame in cut(b) { found.append(frame) } } catch {
                failure = error as? EndpointError
            }
            _ = await writer.result
            return (found, failure)
        }
    }

    @Test(
        "delimited: without the delimiter; one that the end cuts off is unexpectedEnd",
        arguments: [1, 100]
    )
    func delimited(size: Int) async throws {
        let (found, error) = try await frames(of: [1, 2, 0, 0, 3, 0, 4, 5], size: size) {
            $0.frames(.delimited(by: 0, limit: 10))
        }
        #expect(found == [[1, 2], [], [3]])
        #expect(error?.code == .unexpectedEnd)
        #expect(error?.received == [4, 5])
    }

    @Test("delimited: over the limit is tooLong, at the limit is not", arguments: [1, 100])
    func delimitedLimit(size: Int) async throws {
        let (found, error) = try await frames(of: [1, 2, 3, 0, 1, 2, 3, 4, 0], size: size) {
            $0.frames(.delimited(by: 0, limit: 3))
        }
        #expect(found == [[1, 2, 3]])
        #expect(error?.code == .tooLong)
    }

    @Test("length-prefixed: big-endian, the length itself not counted", arguments: [1, 3, 100])
    func lengthPrefixed(size: Int) async throws {
        let bytes: [UInt8] = [0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9]
        let (found, error) = try await frames(of: bytes, size: size) {
            $0.frames(.lengthPrefixed(UInt32.self, limit: 10))
        }
        #expect(found == [[7, 8], [], [9]])
        #expect(error == nil)
    }

    @Test("length-prefixed: a length over the limit is refused before the frame has come")
    func lengthLimit() async throws {
        let (small, tooLong) = try await frames(of: [0, 3, 1, 2, 3, 0, 4], size: 100) {
            $0.frames(.lengthPrefixed(UInt16.self, limit: 3))
        }
        #expect(small == [[1, 2, 3]])
        #expect(tooLong?.code == .tooLong)
        let (_, huge) = try await frames(of: [UInt8](repeating: 255, count: 8), size: 100) {
            $0.frames(.lengthPrefixed(UInt64.self))
        }
        #expect(huge?.code == .tooLong)
        let (_, cut) = try await frames(of: [5, 1], size: 1) {
            $0.frames(.lengthPrefixed(UInt8.self))
        }
        #expect(cut?.code == .unexpectedEnd)
        #expect(cut?.received == [5, 1])
    }

    @Test("the largest limit is no limit")
    func largestLimit() async throws {
        let (delimited, _) = try await frames(of: [1, 0, 2, 0], size: 1) {
            $0.frames(.delimited(by: 0, limit: .max))
        }
        #expect(delimited == [[1], [2]])
        let (prefixed, _) = try await frames(of: [1, 7, 1, 8], size: 1) {
            $0.frames(.lengthPrefixed(UInt8.self, limit: .max))
        }
        #expect(prefixed == [[7], [8]])
    }

    @Test("a frame larger than any buffer of ours comes whole")
    func large() async throws {
        let body = numberedBytes(700_000)
        let (found, _) = try await frames(of: [0, 10, 0xae, 0x60] + body, size: 700_004) {
            $0.frames(.lengthPrefixed(UInt32.self))
        }
        #expect(found == [body])
    }

    @Test("a decoder of one's own, and what it throws")
    func custom() async throws {
        let (found, error) = try await frames(of: Array("ab!c".utf8), size: 2) {
            $0.frames(Letters())
        }
        #expect(found == ["a", "b"])
        #expect(error?.code == .truncated)
        #expect(error?.endpoint?.isEmpty == false, "the decoder's error says whose bytes they were")
    }
}

@Suite("Read buffer")
struct ReadBufferTests {
    @Test("bytes leave from the front, and are found from there")
    func front() async throws {
        try await withPair { a, b in
            try await a.write("hello world".utf8)
            let found = try await b.perform { b in
                var buffer = ReadBuffer()
                while buffer.count < 11 { try await b.read(into: &buffer) }
                var found: [String] = ["\(buffer.firstIndex(of: UInt8(ascii: "o")) ?? -1)"]
                buffer.removeFirst(6)
                found.append(String(decoding: buffer.prefix(100), as: UTF8.self))
                found.append("\(buffer.firstIndex(of: UInt8(ascii: "o")) ?? -1) \(buffer[0])")
                found.append("\(buffer.bytes.byteCount) \(buffer.prefix(-1))")
                buffer.removeFirst(-1)
                buffer.removeFirst(1)
                buffer.removeFirst(.max)
                found.append(
                    "\(buffer.isEmpty) \(buffer.firstIndex(of: 0) == nil) \(buffer.capacity)"
                )
                return found
            }
            #expect(found == ["4", "world", "1 119", "5 []", "true true 98304"])
        }
    }

    @Test("an empty buffer of a waiting read owns no memory")
    func idle() async throws {
        try await withPair { a, b in
            let reader = Task {
                try await b.perform { b in
                    var buffer = ReadBuffer()
                    try await b.read(into: &buffer)
                    return buffer.count
                }
            }
            try await b.untilReading()
            try await a.write([1])
            #expect(try await reader.value == 1)
        }
    }
}
