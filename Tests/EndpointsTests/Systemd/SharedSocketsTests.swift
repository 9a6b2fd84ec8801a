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

    @Test("a path that was left because of a share goes when that ends in vain")
    func unsharedAfterClose() async throws {
        let directory = try TemporaryDirectory()
        let server: some ServerEndpoint = .unix(path: directory.file("s"), lockfile: true)
        let listener = try await server.listen()
        for copy in try await listener.shareSockets() { _ = endpoints_close(copy) }
        await listener.close()
        #expect(directory.entries == ["s", "s.lock"])
        await listener.unshareSockets()
        #expect(directory.entries.isEmpty)
    }

    @Test("of two shares the end of one leaves the other's sockets shared")
    func twoShares() async throws {
        let directory = try TemporaryDirectory()
        let server: some ServerEndpoint = .unix(path: directory.file("s"), lockfile: true)
        let listener = try await server.listen()
        let (vain, lasting) = (SocketShare(), SocketShare())
        let copies =
            try await listener.copySockets(for: vain) + listener.copySockets(for: lasting)
        vain.end()
        vain.end()
        await listener.close()
        #expect(directory.entries == ["s", "s.lock"])
        lasting.end()
        #expect(directory.entries.isEmpty)
        for copy in copies { _ = endpoints_close(copy) }
    }

    /// Binds a socket, as a predecessor or systemd would, and listens on it as the one who inherits it.
    private func inherit(
        in directory: TemporaryDirectory,
        isHeld: Bool,
        share: SocketShare? = nil,
        context: EndpointContext = EndpointContext()
    ) async throws -> (listener: Listener, other: Int32) {
        let path = directory.file("s")
        let made = endpoints_socket(AF_UNIX, ENDPOINTS_STREAM, 0)
        var kernel = try SocketAddress(path: path).kernelAddress(operation: "bind", endpoint: nil)
        try #require(endpoints_bind(made, &kernel.storage, kernel.length) == 0)
        try #require(endpoints_listen(made, 8) == 0)
        try #require(endpoints_symlink("1", path + ".lock") == 0)
        let inherited = InheritedSockets([endpoints_duplicate(made)], isHeld: isHeld, share: share)
        let server: some ServerEndpoint = .unix(path: path, lockfile: true)
        return (try await server.listen(in: context.inheriting(inherited)), made)
    }

    @Test("sockets that systemd holds keep path and queue after they were shared in vain")
    func heldBySystemd() async throws {
        let directory = try TemporaryDirectory()
        let group = EventLoopGroup(loopCount: 1)
        let context = EndpointContext(loops: group, logger: quietLogger)
        let (listener, other) = try await inherit(in: directory, isHeld: true, context: context)
        for copy in try await listener.shareSockets() { _ = endpoints_close(copy) }
        await listener.unshareSockets()
        let unix: some ClientEndpoint = .unix(path: directory.file("s"))
        let client = try await unix.connect(in: context)
        await listener.close()
        #expect(directory.entries == ["s", "s.lock"])
        let next = try await DescriptorEndpoint(descriptor: other).listen(in: context)
        DescriptorEndpoint.release(other)
        let accepted = try #require(await next.accept())
        try await client.write([7])
        #expect(try await accepted.read(exactly: 1) == [7])
        await accepted.close()
        await client.close()
        await next.close()
        await group.shutdown()
    }

    @Test("a successor that ends before it is ready leaves path, lock and queue to its predecessor")
    func unreadySuccessor() async throws {
        let directory = try TemporaryDirectory()
        let (listener, other) = try await inherit(
            in: directory,
            isHeld: false,
            share: SocketShare()
        )
        await listener.close()
        #expect(directory.entries == ["s", "s.lock"])
        #expect(UNIXLockFile(forSocket: directory.file("s")).state() == .held(by: 1))
        _ = endpoints_close(other)
    }

    @Test("a successor takes over path and lock when it is ready", arguments: [false, true])
    func readySuccessor(closesFirst: Bool) async throws {
        let directory = try TemporaryDirectory()
        let share = SocketShare()
        let (listener, other) = try await inherit(in: directory, isHeld: false, share: share)
        if closesFirst { await listener.close() }
        share.end()
        if !closesFirst {
            let lock = UNIXLockFile(forSocket: directory.file("s"))
            #expect(lock.state() == .held(by: getpid()))
            await listener.close()
        }
        #expect(directory.entries.isEmpty)
        _ = endpoints_close(other)
    }

    @Test("a predecessor takes its lock back from a successor that has failed")
    func lockTakenBack() async throws {
        let directory = try TemporaryDirectory()
        let server: some ServerEndpoint = .unix(path: directory.file("s"), lockfile: true)
        let listener = try await server.listen()
        for copy in try await listener.shareSockets() { _ = endpoints_close(copy) }
        let lock = UNIXLockFile(forSocket: directory.file("s"))
        _ = endpoints_unlink(lock.path)
        #expect(endpoints_symlink("2000000000", lock.path) == 0)
        await listener.unshareSockets()
        #expect(lock.state() == .held(by: getpid()))
        await listener.close()
        #expect(directory.entries.isEmpty)
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
        lock.takeOver()
        #expect(lock.state() == .held(by: getpid()))
        lock.release()
        #expect(lock.state() == .free)
    }
}
