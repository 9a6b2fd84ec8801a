import CEndpoints
import EventLoop
import Glibc
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// What carries the file: the kernel from file to socket, or a buffer.
enum FileWay: CaseIterable { case tcp, unix, memory }

private func withWay<Result>(
    _ way: FileWay,
    _ body: (Connection, Connection) async throws -> Result
) async throws -> Result {
    switch way {
    case .tcp: return try await withPair(.tcp, body)
    case .unix: return try await withPair(.unix, body)
    case .memory:
        let (a, b) = Connection.memoryPair()
        defer {
            a.abort()
            b.abort()
        }
        return try await body(a, b)
    }
}

extension TemporaryDirectory {
    /// Makes a file of these bytes; answers its path.
    func make(_ name: String, _ bytes: [UInt8]) throws -> String {
        let path = file(name)
        let opened = endpoints_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard opened >= 0 else { throw EndpointError(errno: opened, operation: "make") }
        let descriptor = OwnedDescriptor(opened)
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { rest in
                endpoints_write(descriptor.rawValue, rest.baseAddress, rest.count)
            }
            guard count > 0 else { throw EndpointError(errno: Int32(-count), operation: "make") }
            done += count
        }
        return path
    }
}

/// How many descriptors of this process are of the file.
private func openDescriptors(of path: String) -> Int {
    guard let directory = opendir("/proc/self/fd") else { return 0 }
    defer { closedir(directory) }
    var count = 0
    while let entry = readdir(directory) {
        let number = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        var target = [CChar](repeating: 0, count: 4096)
        let length = readlink("/proc/self/fd/\(number)", &target, target.count)
        let bytes = target.prefix(max(length, 0)).map(UInt8.init(bitPattern:))
        if String(decoding: bytes, as: UTF8.self) == path { count += 1 }
    }
    return count
}

@Suite("Sending a file", .timeLimit(.minutes(1)))
struct SendFileTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test(
        "the whole file arrives as it is",
        arguments: FileWay.allCases,
        [0, 1, 4096, 65_536, 65_537, 3_000_000]
    )
    func whole(way: FileWay, size: Int) async throws {
        let bytes = numberedBytes(size)
        let path = try directory.make("file", bytes)
        try await withWay(way) { a, b in
            let reader = Task { try await b.read(exactly: size) }
            #expect(try await a.sendFile(path) == size)
            #expect(try await reader.value == bytes)
            #expect(await a.byteCounts.written == size)
            #expect(openDescriptors(of: path) == 0)
            try await a.closeWrite()
            #expect(try await b.read(atMost: 1) == nil)
        }
    }

    @Test(
        "offset and count choose the part; the file's end may come sooner",
        arguments: FileWay.allCases
    )
    func part(way: FileWay) async throws {
        let bytes = numberedBytes(1000)
        let path = try directory.make("file", bytes)
        let cases: [(offset: Int, count: Int?, range: Range<Int>)] = [
            (0, nil, 0..<1000), (10, nil, 10..<1000), (0, 10, 0..<10), (500, 1, 500..<501),
            (990, 100, 990..<1000), (0, .max, 0..<1000), (999, 1, 999..<1000), (0, 0, 0..<0),
            (1000, nil, 0..<0), (5000, 10, 0..<0), (1 << 40, nil, 0..<0),
        ]
        try await withWay(way) { a, b in
            for (offset, count, range) in cases {
                let sent = try await a.sendFile(path, offset: offset, count: count)
                #expect(sent == range.count)
                #expect(try await b.read(exactly: range.count) == Array(bytes[range]))
            }
            try await a.write([1])
            #expect(try await b.read(exactly: 1) == [1])
        }
    }

    @Test("from a handler on its loop, too", arguments: FileWay.allCases)
    func onLoop(way: FileWay) async throws {
        let bytes = numberedBytes(500_000)
        let path = try directory.make("file", bytes)
        try await withWay(way) { a, b in
            let reader = Task { try await b.read(exactly: bytes.count) }
            let (sent, isHome) = try await a.perform { a in
                let sent = try await a.sendFile(path)
                return (sent, a.loop.isCurrent)
            }
            #expect(sent == bytes.count && isHome)
            #expect(try await reader.value == bytes)
        }
    }

    @Test(
        "what is no regular file is refused, and nothing has happened",
        arguments: FileWay.allCases
    )
    func notRegular(way: FileWay) async throws {
        let pipe = directory.file("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        try await withWay(way) { a, b in
            for path in [directory.path, pipe, "/dev/zero", "/proc/self/fd"] {
                let error = await #expect(throws: EndpointError.self) {
                    try await a.sendFile(path)
                }
                #expect(error?.code == .invalidArgument)
                #expect(error?.description == "send \"\(path)\": not a regular file")
            }
            try await a.write([1])
            #expect(try await b.read(exactly: 1) == [1])
            #expect(await a.currentEnd == nil)
        }
    }

    @Test("wrong arguments and files that cannot be opened leave the connection as it was")
    func refused() async throws {
        let path = try directory.make("file", [1, 2, 3])
        try await withPair { a, b in
            let cases: [(String, Int, Int?, EndpointError.Code)] = [
                (path, -1, nil, .invalidArgument), (path, 0, -1, .invalidArgument),
                ("\(path)\0", 0, nil, .invalidArgument), ("", 0, nil, .notFound),
                (directory.file("missing"), 0, nil, .notFound),
                ("\(path)/file", 0, nil, .notFound),
            ]
            for (path, offset, count, expected) in cases {
                let found = await code {
                    try await a.sendFile(path, offset: offset, count: count)
                }
                #expect(found == expected)
            }
            let error = await #expect(throws: EndpointError.self) {
                try await a.sendFile(directory.file("missing"))
            }
            #expect(error?.description.hasSuffix("(ENOENT)") == true)
            #expect(error?.description.contains(directory.file("missing")) == true)
            try await a.write([1])
            #expect(try await b.read(exactly: 1) == [1])
        }
    }

    @Test(
        "a slow reader makes it wait; what is called meanwhile comes behind it, whole",
        arguments: FileWay.allCases
    )
    func slow(way: FileWay) async throws {
        let bytes = numberedBytes(20_000_000)
        let path = try directory.make("file", bytes)
        try await withWay(way) { a, b in
            let sender = Task { try await a.sendFile(path) }
            try await a.untilWriting()
            let next = Task { try await a.write("behind".utf8) }
            try await a.until { $0.extras?.writersInLine.count == 1 }
            let last = Task { try await a.sendFile(path, offset: 7, count: 2) }
            try await a.until { $0.extras?.writersInLine.count == 2 }
            // The other direction does not wait for this one.
            try await b.write([9])
            #expect(try await a.read(exactly: 1) == [9])
            #expect(try await b.read(exactly: 1000) == Array(bytes[..<1000]))
            #expect(try await b.read(exactly: bytes.count - 1000) == Array(bytes[1000...]))
            #expect(try await b.read(exactly: 6) == Array("behind".utf8))
            #expect(try await b.read(exactly: 2) == Array(bytes[7..<9]))
            #expect(try await sender.value == bytes.count)
            try await next.value
            #expect(try await last.value == 2)
        }
    }

    @Test("a file that becomes shorter meanwhile ends sooner")
    func truncated() async throws {
        let bytes = numberedBytes(5_000_000)
        let path = try directory.make("file", bytes)
        try await withPair(.unix) { a, b in
            let sender = Task { try await a.sendFile(path) }
            try await a.untilWriting()
            #expect(truncate(path, 0) == 0)
            let reader = Task {
                var bytes: [UInt8] = []
                for try await chunk in b { bytes += chunk }
                return bytes
            }
            let sent = try await sender.value
            #expect(sent > 0 && sent < bytes.count)
            await a.close()
            #expect(try await reader.value.count == sent)
        }
    }

    @Test(
        "cancelled before its first byte it did not happen",
        .tags(.cancellation),
        arguments: FileWay.allCases
    )
    func cancelledBefore(way: FileWay) async throws {
        let path = try directory.make("file", [UInt8](repeating: 255, count: 1000))
        try await withWay(way) { a, b in
            let bytes = numberedBytes(20_000_000)
            let filler = Task { try await a.write(bytes) }
            try await a.untilWriting()
            let sender = Task { try await a.sendFile(path) }
            try await a.until { $0.extras?.writersInLine.count == 1 }
            sender.cancel()
            #expect(await isCancelled { try await sender.value })
            #expect(openDescriptors(of: path) == 0)
            #expect(try await b.read(exactly: bytes.count) == bytes)
            try await filler.value
            try await a.write([1])
            #expect(try await b.read(exactly: 1) == [1])
        }
    }

    @Test(
        "cancelled half-way writing is over, reading works, and close resets",
        .tags(.cancellation),
        arguments: FileWay.allCases
    )
    func cancelledHalfWay(way: FileWay) async throws {
        // Larger than what the kernel takes for both ends of a TCP connection.
        let path = try directory.make("file", [])
        #expect(truncate(path, 100_000_000) == 0)
        try await withWay(way) { a, b in
            let sender = Task { try await a.sendFile(path) }
            try await a.untilWriting()
            sender.cancel()
            #expect(await isCancelled { try await sender.value })
            #expect(openDescriptors(of: path) == 0)
            #expect(await code { try await a.write([1]) } == .partialWrite)
            #expect(await code { try await a.sendFile(path) } == .partialWrite)
            try await b.write("hello".utf8)
            #expect(try await a.read(exactly: 5) == Array("hello".utf8))
            await a.close()
            // A UNIX socket knows no reset: there what came is all that tells.
            let end = await code { for try await _ in b {} }
            #expect(end == (way == .unix ? nil : .connectionReset))
        }
    }

    @Test(
        "a peer that goes away ends it with an error",
        .tags(.faults),
        arguments: FileWay.allCases
    )
    func peerGone(way: FileWay) async throws {
        let path = try directory.make("file", [])
        #expect(truncate(path, 100_000_000) == 0)
        try await withWay(way) { a, b in
            let sender = Task { try await a.sendFile(path) }
            try await a.untilWriting()
            b.abort()
            #expect(await code { _ = try await sender.value } == .connectionReset)
            #expect(await code { try await a.sendFile(path) } == .connectionReset)
            #expect(openDescriptors(of: path) == 0)
        }
    }

    @Test(
        "a file that cannot be read on half-way breaks the stream, since the peer cannot tell",
        .tags(.faults),
        arguments: FileWay.allCases
    )
    func unreadable(way: FileWay) async throws {
        // Our own memory as a file: a page that has a file behind it, and one beyond that file's end.
        let page = 4096
        let opened = endpoints_open(try directory.make("page", numberedBytes(page)), O_RDONLY, 0)
        let file = OwnedDescriptor(opened)
        let memory = mmap(nil, 2 * page, PROT_READ, MAP_SHARED, file.rawValue, 0)
        let start = try #require(memory)
        defer { munmap(start, 2 * page) }
        let path = "/proc/self/mem"
        let offset = Int(bitPattern: start)
        try await withWay(way) { a, b in
            // Nothing has left: nothing has happened.
            let early = await #expect(throws: EndpointError.self) {
                try await a.sendFile(path, offset: offset + page, count: 10)
            }
            #expect(early?.description == "read /proc/self/mem: input/output error (EIO)")
            try await a.write([7])
            #expect(try await b.read(exactly: 1) == [7])

            let late = await #expect(throws: EndpointError.self) {
                try await a.sendFile(path, offset: offset, count: 2 * page)
            }
            #expect(late?.systemError?.code == EIO)
            #expect(await code { try await a.write([1]) } == .partialWrite)
            #expect(await code { try await a.closeWrite() } == .partialWrite)
            try await b.write([8])
            #expect(try await a.read(exactly: 1) == [8])
            #expect(try await b.read(exactly: page) == numberedBytes(page))
            await a.close()
            let end = await code { for try await _ in b {} }
            #expect(end == (way == .unix ? nil : .connectionReset))
        }
    }
}
