import CEndpoints
import Glibc
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Connections over two descriptors", .timeLimit(.minutes(1)))
struct DescriptorTransportTests {
    /// A pipe's two ends.
    private func pipe() throws -> (reading: Int32, writing: Int32) {
        var ends = [Int32](repeating: -1, count: 2)
        try #require(endpoints_pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    /// Two connections, joined by two pipes.
    private func pair() throws -> (Connection, Connection) {
        let (there, back) = (try pipe(), try pipe())
        let context = EndpointContext()
        return (
            .make(reading: back.reading, writing: there.writing, name: "a", in: context),
            .make(reading: there.reading, writing: back.writing, name: "b", in: context)
        )
    }

    @Test("more than the pipes hold goes both ways, and the end of one direction leaves the other")
    func bothWays() async throws {
        let (a, b) = try pair()
        let bytes = [UInt8]((0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })
        async let echoing: Void = {
            for try await chunk in b { try await b.write(chunk) }
            try await b.closeWrite()
        }()
        async let writing: Void = {
            try await a.write(bytes)
            try await a.closeWrite()
        }()
        #expect(try await a.read(exactly: bytes.count) == bytes)
        #expect(try await a.read(atMost: 1) == nil)
        try await writing
        try await echoing
        await a.close()
        await b.close()
    }

    @Test("several pieces are written in order")
    func pieces() async throws {
        let (a, b) = try pair()
        try await a.write([[1], [], [2, 3], [UInt8](repeating: 4, count: 5000)])
        let expected = [1, 2, 3] + [UInt8](repeating: 4, count: 5000)
        #expect(try await b.read(exactly: 5003) == expected)
        a.abort()
        b.abort()
    }

    @Test("who writes to a pipe without a reader gets connectionReset, and no signal")
    func brokenPipe() async throws {
        let (a, b) = try pair()
        await b.close()
        let error = await #expect(throws: EndpointError.self) {
            while true { try await a.write([UInt8](repeating: 0, count: 65_536)) }
        }
        #expect(error?.code == .connectionReset)
        #expect(error?.systemError?.name == "EPIPE")
        await a.close()
    }

    @Test("the end is noticed without reading")
    func noticed() async throws {
        let (a, b) = try pair()
        async let end = a.ended()
        await b.close()
        switch try await end {
        case .peerClosed, .failed: break
        case .closed, .truncated: Issue.record("not the peer's doing")
        }
        await a.close()
    }

    @Test("a read that waits can be cancelled, and loses nothing", .tags(.cancellation))
    func cancelledRead() async throws {
        let (a, b) = try pair()
        let reading = Task { try await a.read(atMost: 10) }
        reading.cancel()
        await #expect(throws: CancellationError.self) { _ = try await reading.value }
        try await b.write([1, 2, 3])
        #expect(try await a.read(exactly: 3) == [1, 2, 3])
        a.abort()
        b.abort()
    }

    @Test(
        "a file is read to its end, /dev/null has none of it",
        arguments: ["/proc/self/exe", "/dev/null"]
    )
    func files(path: String) async throws {
        let file = endpoints_open(path, O_RDONLY, 0)
        try #require(file >= 0)
        let size = lseek(file, 0, Int32(SEEK_END))
        lseek(file, 0, Int32(SEEK_SET))
        let input = try DescriptorEnd(inherited: dup(file), .input, endpoint: "test")
        let output = DescriptorEnd(
            owning: OwnedDescriptor(endpoints_open("/dev/null", O_WRONLY, 0))
        )
        let connection = Connection(
            DescriptorTransport(input: input, output: output),
            facts: ConnectionFacts(
                localAddress: SocketAddress(named: "test"),
                remoteAddress: SocketAddress(named: "test")
            ),
            origin: ConnectionOrigin(endpoint: "test", logger: EndpointContext().logger),
            on: EndpointContext().loops.next()
        )
        var count = 0
        for try await chunk in connection { count += chunk.count }
        #expect(count == max(0, path == "/dev/null" ? 0 : Int(size)))
        await connection.close()
        _ = endpoints_close(file)
    }

    @Test("an inherited pipe keeps its flags, and is /dev/null when the connection is closed")
    func inherited() async throws {
        let (reading, writing) = try pipe()
        let end = try DescriptorEnd(inherited: reading, .input, endpoint: "test")
        #expect(fcntl(reading, F_GETFL) & O_NONBLOCK == 0)
        var byte: UInt8 = 0
        let empty = withUnsafeMutableBytes(of: &byte) { end.read(into: $0) }
        #expect(empty == -Int(EAGAIN))
        #expect(endpoints_write(writing, "x", 1) == 1)
        let one = withUnsafeMutableBytes(of: &byte) { end.read(into: $0) }
        #expect(one == 1)
        end.close(sendingEnd: false)
        // The reader is gone for good, though the number is still open.
        #expect(Int32(endpoints_poll_now(writing, Int16(POLLOUT))) & POLLERR != 0)
        #expect(endpoints_read(reading, &byte, 1) == 0)
        _ = endpoints_close(reading)
        _ = endpoints_close(writing)
    }

    @Test("a descriptor that is not open is refused")
    func notOpen() {
        let error = #expect(throws: EndpointError.self) {
            _ = try DescriptorEnd(inherited: 1_000_000, .input, endpoint: "stdio:")
        }
        let expected = "connect stdio:: standard input is not open (EBADF)"
        #expect(error?.description == expected)
    }
}
