import CEndpoints
import EventLoop
import Logging
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("UNIX sockets", .timeLimit(.minutes(1)))
struct UNIXSocketTests {
    private let directory: TemporaryDirectory
    private let path: String
    private let loop = EventLoopGroup.shared.next()

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("a.sock")
    }

    private func listen(
        _ path: String? = nil,
        mode: UInt16 = 0o666,
        backlog: Int = 16,
        lockfile: Bool = true
    ) throws -> ListeningSocket {
        try UNIXListening.bind(
            path: path ?? self.path,
            mode: mode,
            backlog: backlog,
            lockfile: lockfile,
            endpoint: "unix:a",
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
    }

    private func connect(
        _ path: String? = nil,
        checkPID: Bool = false,
        timeout: Duration? = .seconds(10)
    ) async throws -> ConnectedSocket {
        ConnectedSocket(
            try await UNIXConnector.open(
                path: path ?? self.path,
                checkPID: checkPID,
                timeout: timeout,
                endpoint: "unix:a",
                on: loop
            )
        )
    }

    private func mode(of path: String) -> UInt32 {
        var file = endpoints_file()
        _ = endpoints_lstat(path, &file)
        return file.mode & 0o777
    }

    /// A socket file that nobody listens on any more.
    private func leaveStale() throws {
        let socket = OwnedDescriptor(endpoints_socket(AF_UNIX, ENDPOINTS_STREAM, 0))
        var kernel = try SocketAddress(path: path).kernelAddress(operation: "bind", endpoint: nil)
        try #require(endpoints_bind(socket.rawValue, &kernel.storage, kernel.length) == 0)
    }

    @Test("connects, and tells who the peer is")
    func roundTrip() async throws {
        let server = try listen()
        #expect(server.address == SocketAddress(path: path))
        let client = try await connect()
        guard let descriptor = client.take() else { throw CancellationError() }
        let credentials = try #require(PeerCredentials(of: descriptor.rawValue))
        #expect(credentials.pid == getpid())
        #expect(credentials.uid == getuid())
        #expect(credentials.gid == getgid())
        #expect(SocketAddress(localOf: descriptor.rawValue) == SocketAddress(path: ""))
        #expect(SocketAddress(remoteOf: descriptor.rawValue) == SocketAddress(path: path))
    }

    @Test("path and lock are gone when it stops")
    func cleanUp() throws {
        var server: ListeningSocket? = try listen()
        #expect(server != nil)
        #expect(directory.entries == ["a.sock", "a.sock.lock"])
        server = nil
        #expect(directory.entries.isEmpty)
        _ = try listen()
    }

    @Test("the mode is what was asked for", arguments: [0o666, 0o660, 0o600, 0o777, 0] as [UInt16])
    func modes(mode: UInt16) throws {
        let server = try listen(mode: mode)
        #expect(self.mode(of: path) == UInt32(mode))
        _ = server
    }

    @Test("a live server is refused, with the lock file and without", arguments: [true, false])
    func inUse(lockfile: Bool) async throws {
        let server = try listen(lockfile: lockfile)
        let error = #expect(throws: EndpointError.self) { try listen(lockfile: false) }
        #expect(error?.code == .addressInUse)
        #expect(
            error?.description
                == "listen unix:a: address already in use (EADDRINUSE); a server is listening there"
        )
        #expect(throws: EndpointError.self) { try listen() }
        _ = try await connect()
        _ = server
    }

    @Test("a second listener undoes its lock when the path is in use")
    func undo() throws {
        let server = try listen(lockfile: false)
        #expect(throws: EndpointError.self) { try listen(lockfile: true) }
        #expect(directory.entries == ["a.sock"])
        _ = server
    }

    @Test("the socket that a dead server left is replaced", arguments: [true, false])
    func stale(lockfile: Bool) async throws {
        try leaveStale()
        #expect(directory.entries == ["a.sock"])
        let server = try listen(lockfile: lockfile)
        _ = try await connect()
        _ = server
    }

    @Test("a file that is no socket is never touched")
    func regularFile() throws {
        _ = OwnedDescriptor(endpoints_open(path, O_CREAT | O_WRONLY, 0o600))
        let error = #expect(throws: EndpointError.self) { try listen() }
        #expect(error?.code == .addressInUse)
        #expect(error?.reason == "a file that is no socket is there")
        #expect(directory.entries == ["a.sock"])
    }

    @Test("a datagram socket is not taken for a dead server")
    func datagram() throws {
        let socket = OwnedDescriptor(endpoints_socket(AF_UNIX, ENDPOINTS_DATAGRAM, 0))
        var kernel = try SocketAddress(path: path).kernelAddress(operation: "bind", endpoint: nil)
        #expect(endpoints_bind(socket.rawValue, &kernel.storage, kernel.length) == 0)
        let error = #expect(throws: EndpointError.self) { try listen() }
        #expect(error?.code == .addressInUse)
        #expect(directory.entries == ["a.sock"])
        _ = socket
    }

    @Test("a path that is another's by now is left alone")
    func replaced() throws {
        var first: ListeningSocket? = try listen(lockfile: false)
        _ = endpoints_unlink(path)
        let second = try listen(lockfile: false)
        #expect(first != nil)
        first = nil
        #expect(directory.entries == ["a.sock"])
        _ = second
    }

    @Test("a path that is too long, or in no directory, leaves nothing behind")
    func impossible() {
        let long = directory.file(String(repeating: "x", count: 108))
        let tooLong = #expect(throws: EndpointError.self) { try listen(long) }
        #expect(tooLong?.code == .invalidArgument)
        let missing = #expect(throws: EndpointError.self) {
            try listen(directory.file("no/a.sock"), lockfile: false)
        }
        #expect(missing?.code == .notFound)
        #expect(directory.entries.isEmpty)
    }

    @Test("an abstract name has no file and no lock")
    func abstract() async throws {
        let name = "@endpoints-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        var server: ListeningSocket? = try listen(name)
        #expect(server?.address.description == name)
        _ = try await connect(name)
        _ = try await connect("\0" + name.dropFirst())
        let error = #expect(throws: EndpointError.self) { try listen(name) }
        #expect(error?.code == .addressInUse)
        server = nil
        let refused = await #expect(throws: EndpointError.self) { try await connect(name) }
        #expect(refused?.code == .connectionRefused)
    }

    @Test("the errors of connect keep their errno")
    func connectErrors() async throws {
        let missing = await #expect(throws: EndpointError.self) { try await connect() }
        #expect(missing?.code == .notFound)
        #expect(missing?.description == "connect unix:a: no such file or directory (ENOENT)")
        try leaveStale()
        let refused = await #expect(throws: EndpointError.self) { try await connect() }
        #expect(
            refused?.description == "connect unix:a: connection refused (ECONNREFUSED); "
                + "the file exists and nobody listens on it"
        )
    }

    @Test("checkPID connects only where the lock is held")
    func checkPID() async throws {
        var server: ListeningSocket? = try listen(lockfile: false)
        let error = await #expect(throws: EndpointError.self) { try await connect(checkPID: true) }
        #expect(error?.code == .connectionRefused)
        #expect(error?.reason == "no running process holds the lock file \(path).lock")
        server = nil
        server = try listen(lockfile: true)
        _ = try await connect(checkPID: true)
        #expect(server != nil)
    }

    @Test("a full backlog is waited for, as long as the timeout says")
    func fullBacklog() async throws {
        let server = try listen(backlog: 0)
        var fillers: [ConnectedSocket] = []
        let error = await #expect(throws: EndpointError.self) {
            while fillers.count < 10 {
                fillers.append(try await connect(timeout: .milliseconds(20)))
            }
        }
        #expect(error?.code == .timedOut)
        #expect(
            error?.description == "connect unix:a: timed out after 0.02 s waiting for room in the "
                + "server's backlog"
        )
        async let waiting = connect(timeout: nil)
        var peer = KernelAddress()
        let raw = server.descriptor.rawValue
        _ = OwnedDescriptor(endpoints_accept(raw, &peer.storage, &peer.length))
        _ = try await waiting
    }

    @Test("cancelled while the backlog is full it throws CancellationError", .tags(.cancellation))
    func cancelled() async throws {
        let server = try listen(backlog: 0)
        var fillers: [ConnectedSocket] = []
        _ = try? await { while true { fillers.append(try await connect(timeout: .zero)) } }()
        let task = Task { try await connect(timeout: nil) }
        try await loop.sleep(for: .milliseconds(5))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        _ = server
    }

    @Test(
        "a server waits while another prepares a path, and leaves the other's new lock and socket",
        arguments: [true, false]
    )
    func competitor(lockfile: Bool) async throws {
        #expect(endpoints_symlink("2000000000", path + ".lock") == 0)
        try leaveStale()
        try await withHandDrivenLoop { driver, group in
            let turn = OwnedDescriptor(endpoints_open(directory.path, O_RDONLY, 0))
            try #require(endpoints_lock(turn.rawValue) == 0)
            let server: some ServerEndpoint = .unix(path: path, lockfile: lockfile)
            let context = EndpointContext(loops: group, logger: quietLogger)
            let listening = Task(executorPreference: group.loops[0]) {
                try await server.listen(in: context)
            }
            await driver.hold()
            // The other server has seen the same, and was faster.
            _ = endpoints_unlink(path + ".lock")
            #expect(endpoints_symlink("1", path + ".lock") == 0)
            _ = endpoints_unlink(path)
            let other = OwnedDescriptor(endpoints_socket(AF_UNIX, ENDPOINTS_STREAM, 0))
            var kernel = try SocketAddress(path: path).kernelAddress(operation: "", endpoint: nil)
            try #require(endpoints_bind(other.rawValue, &kernel.storage, kernel.length) == 0)
            try #require(endpoints_listen(other.rawValue, 8) == 0)
            Self.close(turn)
            driver.release()
            driver.advance(by: .seconds(1))
            let error = await #expect(throws: EndpointError.self) { try await listening.value }
            #expect(error?.code == .addressInUse)
            let client: some ClientEndpoint = .unix(path: path)
            await (try client.connect()).close()
            #expect(UNIXLockFile(forSocket: path).state() == .held(by: 1))
        }
    }

    private static func close(_ descriptor: consuming OwnedDescriptor) {}

    @Test(
        "a directory that somebody keeps locked delays a server and does not keep it from listening"
    )
    func lockedDirectory() async throws {
        try await withHandDrivenLoop { driver, group in
            let directory = OwnedDescriptor(endpoints_open(directory.path, O_RDONLY, 0))
            try #require(endpoints_lock(directory.rawValue) == 0)
            let server: some ServerEndpoint = .unix(path: path)
            let context = EndpointContext(loops: group, logger: quietLogger)
            let listening = Task(executorPreference: group.loops[0]) {
                try await server.listen(in: context)
            }
            let advancing = Task {
                while !Task.isCancelled {
                    driver.advance(by: .milliseconds(10))
                    await Task.yield()
                }
            }
            await (try listening.value).close()
            advancing.cancel()
        }
    }
}
