import CEndpoints
import Endpoints
import EndpointsService
import EventLoop
import Testing

@Suite("A hot restart", .timeLimit(.minutes(2)))
struct HotRestartTests {
    /// A path that no other test uses.
    private let path = "/tmp/endpoints-restart-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    private let restart = HotRestart()

    private var remains: Bool {
        var file = endpoints_file()
        return endpoints_lstat(path, &file) == 0
    }

    private func listen() async throws -> Listener {
        try await restart.endpoint(.unix(path: path), name: "a").listen()
    }

    private func code(_ body: () async throws -> Void) async -> EndpointError.Code? {
        do { try await body() } catch { return (error as? EndpointError)?.code }
        return nil
    }

    @Test("a successor whose predecessor has died says that it is ready, and lives")
    func orphan() async {
        await #expect(processExitsWith: .success) {
            signal(SIGPIPE, nil)  // SIG_DFL
            var none = sigset_t()
            sigemptyset(&none)
            pthread_sigmask(SIG_SETMASK, &none, nil)
            var ends: [Int32] = [-1, -1]
            try #require(endpoints_pipe(&ends) == 0)
            _ = endpoints_close(ends[0])
            setenv("LISTEN_PID", "\(getpid())", 1)
            setenv("ENDPOINTS_READY_FD", "\(ends[1])", 1)
            let restart = HotRestart()
            #expect(HotRestart.isSuccessor)
            restart.ready()
        }
    }

    @Test("a restart that fails at one of the sockets leaves none of them shared")
    func oneFails() async throws {
        let listener = try await listen()
        let memory = try serverFromString("memory:hot-restart-test")
        let other = try await restart.endpoint(memory, name: "b").listen()
        #expect(await code { try await restart.startSuccessor("/bin/true") } == .invalidArgument)
        await listener.close()
        #expect(!remains)
        await other.close()
    }

    @Test("a successor that ends before it is ready leaves the sockets as they were")
    func successorEnds() async throws {
        let listener = try await listen()
        #expect(await code { try await restart.startSuccessor("/bin/true") } == .unavailable)
        await listener.close()
        #expect(!remains)
    }

    @Test("a program that cannot be run leaves the sockets as they were")
    func noProgram() async throws {
        let listener = try await listen()
        #expect(await code { try await restart.startSuccessor("/nonexistent") } == .notFound)
        await listener.close()
        #expect(!remains)
    }

    @Test("sockets that could not be stored are not shared")
    func notStored() async throws {
        let listener = try await listen()
        let nobody = SystemdNotifier(socket: path + ".notify")
        await #expect(throws: EndpointError.self) { try await restart.store(in: nobody) }
        await listener.close()
        #expect(!remains)
    }

    @Test("sockets that systemd has stored stay shared when a restart fails")
    func stored() async throws {
        let listener = try await listen()
        let systemd = try NotifySocket("@endpoints-restart-\(getpid())")
        try await restart.store(in: SystemdNotifier(socket: systemd.name))
        let stored = try await systemd.receive()
        #expect(stored.lines == ["FDSTORE=1", "FDNAME=a"])
        #expect(await code { try await restart.startSuccessor("/bin/true") } == .unavailable)
        await listener.close()
        #expect(remains)
        if let descriptor = stored.descriptor { _ = endpoints_close(descriptor) }
        _ = endpoints_unlink(path)
        _ = endpoints_unlink(path + ".lock")
    }
}
