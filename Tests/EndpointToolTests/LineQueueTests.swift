import CEndpoints
import Endpoints
import EventLoop
import Testing

@testable import endpoint

@Suite("Lines on their way to a reader", .timeLimit(.minutes(1)))
struct LineQueueTests {
    /// A FIFO, which readers may open and close while the writer keeps it.
    private final class Fifo: Sendable {
        let path = "/tmp/endpoint-fifo-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let writing: Int32
        private let first: Int32

        init() throws {
            try #require(mkfifo(path, 0o600) == 0)
            first = endpoints_open(path, O_RDONLY | O_NONBLOCK, 0)
            writing = endpoints_open(path, O_WRONLY, 0)
        }

        deinit {
            _ = endpoints_close(writing)
            _ = endpoints_unlink(path)
        }

        func closeFirstReader() { _ = endpoints_close(first) }

        /// What is there now, read by the first reader or by a new one.
        func read(byNew: Bool = false) -> String {
            let reader = byNew ? endpoints_open(path, O_RDONLY | O_NONBLOCK, 0) : first
            var text = ""
            var bytes = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = endpoints_read(reader, &bytes, bytes.count)
                if count <= 0 { return text }
                text += String(decoding: bytes[..<count], as: UTF8.self)
            }
        }

        func openReader() -> Int32 { endpoints_open(path, O_RDONLY | O_NONBLOCK, 0) }
    }

    private static func read(_ descriptor: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = endpoints_read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes[..<max(count, 0)], as: UTF8.self)
    }

    private func queue(_ fifo: Fifo, limit: Int = 1 << 20) -> LineQueue {
        LineQueue(to: LineOutput(descriptor: fifo.writing, name: "fifo"), limit: limit)
    }

    @Test("lines are written in order")
    func order() async throws {
        let fifo = try Fifo()
        let queue = queue(fifo)
        for number in 0..<1000 { queue.add("\(number)") }
        await queue.flush()
        #expect(fifo.read() == (0..<1000).map { "\($0)\n" }.joined())
        fifo.closeFirstReader()
    }

    @Test("what does not fit while the reader is slow is counted, and reported where it is missing")
    func overflow() async throws {
        let fifo = try Fifo()
        // The pipe is full, and the writer waits.
        _ = endpoints_set_nonblocking(fifo.writing)
        let filling = [UInt8](repeating: UInt8(ascii: "."), count: 65_536)
        while endpoints_write(fifo.writing, filling, filling.count) > 0 {}
        let queue = queue(fifo, limit: 20)
        for number in 1...5 { queue.add("line \(number)") }
        var text = ""
        while !text.hasSuffix("lines lost\n") {
            text += fifo.read()
            await Task.yield()
        }
        #expect(text.drop { $0 == "." } == "line 1\nline 2\nendpoint: 3 lines lost\n")
        queue.add("line 6")
        await queue.flush()
        #expect(fifo.read() == "line 6\n")
        fifo.closeFirstReader()
    }

    @Test("lines are lost while there is no reader, and the next one is told how many")
    func readerComesBack() async throws {
        let fifo = try Fifo()
        let queue = queue(fifo)
        let failures = Lock(0)
        queue.report {
            "lost \($0)"
        } failures: { _ in
            failures.withLock { $0 += 1 }
        }
        queue.add("before")
        await queue.flush()
        #expect(fifo.read() == "before\n")
        fifo.closeFirstReader()
        for number in 0..<5 { queue.add("\(number)") }
        await queue.flush()
        #expect(failures.withLock { $0 } == 1)
        let reader = fifo.openReader()
        queue.add("after")
        await queue.flush()
        #expect(Self.read(reader) == "lost 5\nafter\n")
        _ = endpoints_close(reader)
    }

    @Test("a reader that takes nothing does not keep the program from its end")
    func stuck() async throws {
        let fifo = try Fifo()
        let queue = queue(fifo)
        queue.add(String(repeating: "x", count: 200_000))
        await queue.flush()
        fifo.closeFirstReader()
    }
}
