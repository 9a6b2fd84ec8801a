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

/// Moves a descriptor to a number of its own: one is adopted once in a process.
private func moved(_ descriptor: Int32) -> Int32 { ReservedNumbers.move([descriptor]) }

private func socketPair() throws -> (Int32, Int32) {
    var ends: [Int32] = [0, 0]
    try #require(socketpair(AF_UNIX, ENDPOINTS_STREAM, 0, &ends) == 0)
    return (ends[0], ends[1])
}

@Suite("Adopted descriptors", .timeLimit(.minutes(1)))
struct DescriptorEndpointTests {
    @Test("a connected socket becomes a connection, once")
    func connected() async throws {
        let (one, other) = try socketPair()
        let number = moved(one)
        let client = try clientFromString("fd:\(number)")
        try await client.withConnection { connection in
            try await connection.write([1, 2, 3])
            var bytes = [UInt8](repeating: 0, count: 3)
            #expect(endpoints_recv(other, &bytes, 3) == 3)
            #expect(bytes == [1, 2, 3])
        }
        #expect(endpoints_close(other) == 0)
        #expect(DescriptorKind(of: number) == .notOpen)
        await #expect(throws: EndpointError.self) { try await client.connect() }
    }

    @Test("a listening socket becomes a listener, and its path stays")
    func listening() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.sock")
        let made = endpoints_socket(AF_UNIX, ENDPOINTS_STREAM, 0)
        var kernel = try SocketAddress(path: path).kernelAddress(operation: "bind", endpoint: nil)
        try #require(endpoints_bind(made, &kernel.storage, kernel.length) == 0)
        try #require(endpoints_listen(made, 8) == 0)
        let keeper = dup(made)
        let number = moved(made)
        let listener = try await serverFromString("fd:\(number)").listen()
        #expect(listener.addresses == [SocketAddress(path: path)])
        let client = try #require(listener.clientEndpoints.first)
        try await client.withConnection { _ in
            let connection = try #require(await listener.accept())
            await connection.close()
        }
        let waiting = try await client.connect()
        await listener.close()
        #expect(directory.entries == ["a.sock"])
        // Who waits in the queue is the next listener's.
        let next = try await serverFromString("fd:\(moved(keeper))").listen()
        let connection = try #require(await next.accept())
        try await connection.write([7])
        #expect(try await waiting.read(exactly: 1) == [7])
        await connection.close()
        await waiting.close()
        await next.close()
    }

    @Test("a drain leaves who waits in the queue of a socket that others hold")
    func drain() async throws {
        let made = endpoints_socket(AF_INET, ENDPOINTS_STREAM, 0)
        let address = SocketAddress.loopback(.ipv4, port: 0)
        var kernel = try address.kernelAddress(operation: "bind", endpoint: nil)
        try #require(endpoints_bind(made, &kernel.storage, kernel.length) == 0)
        try #require(endpoints_listen(made, 8) == 0)
        let keeper = dup(made)
        let listener = try await serverFromString("fd:\(moved(made))").listen()
        let client = try #require(listener.clientEndpoints.first)
        let serving = Task {
            try await listener.serve { connection in try await connection.write([1]) }
        }
        try await client.withConnection { connection in
            let first = try await connection.read(exactly: 1)
            #expect(first == [1])
        }
        listener.suspend()
        let waiting = try await client.connect()
        await listener.drain(within: .seconds(10))
        try await serving.value
        let next = try await serverFromString("fd:\(moved(keeper))").listen()
        let connection = try #require(await next.accept())
        try await connection.write([7])
        #expect(try await waiting.read(exactly: 1) == [7])
        await connection.close()
        await waiting.close()
        await next.close()
    }

    @Test("what a descriptor is instead is said, and it stays open")
    func wrong() async throws {
        let (one, other) = try socketPair()
        let number = moved(one)
        defer {
            _ = endpoints_close(number)
            _ = endpoints_close(other)
        }
        do {
            _ = try await serverFromString("fd:\(number)").listen()
            Issue.record("listens")
        } catch let error as EndpointError {
            #expect(error.code == .invalidArgument)
            #expect("\(error)".contains("is a connected UNIX socket, not a listening"))
        }
        #expect(DescriptorKind(of: number) == .connected(domain: AF_UNIX))
        let null = endpoints_open("/dev/null", O_RDWR, 0)
        let device = moved(null)
        defer { _ = endpoints_close(device) }
        for (string, reason) in [("fd:\(device)", "character device"), ("fd:99999", "not open")] {
            do {
                _ = try await clientFromString(string).connect()
                Issue.record("connected")
            } catch let error as EndpointError {
                #expect("\(error)".contains(reason))
            }
        }
    }

    @Test("detach gives the open descriptor back, with what has come and was not read")
    func detach() async throws {
        let (one, other) = try socketPair()
        let number = moved(one)
        let endpoint = DescriptorEndpoint(descriptor: number)
        let connection = try await endpoint.connect()
        try await connection.write([1])
        #expect(endpoints_send(other, [5, 6] as [UInt8], 2) == 2)
        let given = try await connection.detach()
        #expect(given == number)
        await #expect(throws: EndpointError.self) { try await connection.read(atMost: 1) }
        await connection.close()
        let again = try await endpoint.connect()
        #expect(try await again.read(exactly: 2) == [5, 6])
        await again.close()
        _ = endpoints_close(other)
    }

    @Test("detach is refused while bytes are read ahead, in use, and over layers")
    func refusedDetach() async throws {
        let (one, other) = try socketPair()
        defer { _ = endpoints_close(other) }
        let connection = try await DescriptorEndpoint(descriptor: moved(one)).connect()
        let reading = Task { try await connection.read(exactly: 4) }
        #expect(endpoints_send(other, [5, 6] as [UInt8], 2) == 2)
        try await connection.untilReading()
        do {
            _ = try await connection.detach()
            Issue.record("detached")
        } catch let error as EndpointError {
            #expect(error.code == .busy)
        }
        reading.cancel()
        await #expect(throws: CancellationError.self) { try await reading.value }
        #expect(endpoints_send(other, [7] as [UInt8], 1) == 1)
        #expect(try await connection.read(exactly: 3) == [5, 6, 7])
        #expect(endpoints_send(other, Array("a\nb".utf8), 3) == 3)
        for try await line in connection.lines(limit: 10) {
            #expect(line == "a")
            break
        }
        do {
            _ = try await connection.detach()
            Issue.record("detached")
        } catch let error as EndpointError {
            #expect("\(error)".contains("read ahead"))
        }
        #expect(try await connection.read(exactly: 1) == Array("b".utf8))
        await connection.close()
        let (memory, peer) = Connection.memoryPair()
        do {
            _ = try await memory.detach()
            Issue.record("detached")
        } catch let error as EndpointError {
            #expect(error.code == .invalidArgument)
        }
        await memory.close()
        await peer.close()
    }
}
