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

@Suite("Sockets that another process shares", .timeLimit(.minutes(1)))
struct SharedSocketsTests {
    @Test(
        "what waits in the queue of a shared socket is left for the other",
        arguments: [false, true]
    )
    func queue(byDraining: Bool) async throws {
        let group = EventLoopGroup(loopCount: 1)
        let context = EndpointContext(loops: group, logger: quietLogger)
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen(in: context)
        let copy = try #require(try await listener.shareSockets().first)
        let client = try await Listening(listener: listener, context: context).connect()
        if byDraining {
            #expect(
                await listener.drain(within: .seconds(60)) == DrainResult(finished: 0, aborted: 0)
            )
        } else {
            await listener.close()
        }
        let other = try await DescriptorEndpoint(descriptor: copy).listen(in: context)
        DescriptorEndpoint.release(copy)
        var iterator = other.makeAsyncIterator()
        let accepted = try #require(await iterator.next())
        try await client.write([7])
        #expect(try await accepted.read(exactly: 1) == [7])
        await accepted.close()
        await client.close()
        await other.close()
        await group.shutdown()
    }

    @Test("a UNIX path stays while it is shared, and goes with the last", arguments: [true, false])
    func path(lockfile: Bool) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("s")
        let server: some ServerEndpoint = .unix(path: path, lockfile: lockfile)
        let listener = try await server.listen()
        let copies = try await listener.shareSockets()
        await listener.close()
        var file = endpoints_file()
        #expect(endpoints_lstat(path, &file) == 0)
        let client: some ClientEndpoint = .unix(path: path)
        let connection = try await client.connect()
        await connection.close()
        for copy in copies { _ = endpoints_close(copy) }
    }

    @Test("what was shared in vain is as before: the path goes with the listener")
    func unshared() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("s")
        let server: some ServerEndpoint = .unix(path: path)
        let listener = try await server.listen()
        for copy in try await listener.shareSockets() { _ = endpoints_close(copy) }
        await listener.unshareSockets()
        await listener.close()
        var file = endpoints_file()
        #expect(endpoints_lstat(path, &file) == -ENOENT)
    }

    @Test("nothing is shared of a listener that is closed, or has no sockets")
    func refusals() async throws {
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen()
        await listener.close()
        #expect(await code { try await listener.shareSockets() } == .closed)
        let memory = try await serverFromString("memory:shared-sockets-test").listen()
        #expect(await code { try await memory.shareSockets() } == .invalidArgument)
        await memory.close()
    }

    @Test("a lock file passes to a successor without a moment in which nobody holds it")
    func lock() throws {
        let directory = try TemporaryDirectory()
        let lock = UNIXLockFile(forSocket: directory.file("s"))
        // As the predecessor's: of a process that runs, and is not this one.
        #expect(endpoints_symlink("1", lock.path) == 0)
        try lock.takeOver(endpoint: "test")
        #expect(lock.state() == .held(by: getpid()))
        lock.release()
        #expect(lock.state() == .free)
    }
}
