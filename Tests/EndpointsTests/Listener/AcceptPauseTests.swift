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

@Suite("Accepting when the system is short", .tags(.faults))
struct AcceptPauseTests {
    @Test("the pause doubles from 5 ms to 1 s, is told once, and begins anew after a success")
    func doubling() {
        var pause = AcceptPause()
        var delays: [UInt64] = []
        var firsts: [Bool] = []
        for _ in 0..<10 {
            let beginning = pause.begin(at: 0)
            delays.append(beginning.delay / 1_000_000)
            firsts.append(beginning.isFirst)
            #expect(beginning.isLogged == beginning.isFirst)
            #expect(pause.isPausing)
            pause.end()
            #expect(!pause.isPausing)
        }
        #expect(delays == [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000])
        #expect(firsts == [true] + [Bool](repeating: false, count: 9))
        let endings = [pause.succeed(), pause.succeed()]
        #expect(endings.map(\.isEnd) == [true, false])
        #expect(endings.map(\.isLogged) == [true, false])
        let anew = pause.begin(at: AcceptPause.logInterval)
        #expect(anew == (5_000_000, true, true))
    }

    @Test("a listener that lives at the limit is logged once a minute")
    func logged() {
        var pause = AcceptPause()
        var times: [UInt64] = []
        // 150 s in which each connection that closes lets one in, and the next attempt fails.
        for now in stride(from: UInt64(0), to: 150_000_000_000, by: 100_000_000) {
            let beginning = pause.begin(at: now)
            #expect(beginning.isFirst)
            if beginning.isLogged { times.append(now / 1_000_000_000) }
            let ending = pause.succeed()
            #expect(ending == (true, beginning.isLogged))
        }
        #expect(times == [0, 60, 120])
        // A series that goes on past the minute is logged when that is over.
        let silent = pause.begin(at: 150_000_000_000)
        let late = pause.begin(at: 180_000_000_000)
        #expect(!silent.isLogged && late.isLogged && !late.isFirst)
    }

    @Test(
        "what an errno of accept(2) means",
        arguments: [
            (EAGAIN, AcceptFailure.wouldBlock), (EMFILE, .exhausted), (ENFILE, .exhausted),
            (ENOBUFS, .exhausted), (ENOMEM, .exhausted), (ECONNABORTED, .connectionLost),
            (EPROTO, .connectionLost), (ENETDOWN, .connectionLost), (ENOPROTOOPT, .connectionLost),
            (EHOSTDOWN, .connectionLost), (EHOSTUNREACH, .connectionLost),
            (EOPNOTSUPP, .connectionLost), (ENETUNREACH, .connectionLost),
            (ETIMEDOUT, .connectionLost), (EPERM, .refused), (EINTR, .connectionLost),
            (EBADF, .fatal), (EINVAL, .fatal), (ENOTSOCK, .fatal),
        ] as [(Int32, AcceptFailure)]
    )
    func classes(errno: Int32, meaning: AcceptFailure) {
        #expect(AcceptFailure(errno: errno) == meaning)
    }

    @Test(
        "out of descriptors: pauses, logs once, burns no CPU, goes on by itself",
        .timeLimit(.minutes(1))
    )
    func exhausted() async {
        // A process of its own: the limit is the process's.
        await #expect(processExitsWith: .success) {
            let log = CapturedLog()
            let context = EndpointContext(
                loops: EventLoopGroup(loopCount: 1),
                logger: log.logger
            )
            let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
            let listener = try await server.listen(in: context)
            let served = Tally()
            let events = listener.events
            let serving = Task {
                try await listener.serve { connection in
                    served.add()
                    try await echo(connection)
                }
            }
            let port = listener.addresses.first?.port ?? 0
            let client = try await TCPClientEndpoint(host: "127.0.0.1", port: port).connect(
                in: context
            )
            try await client.write([1])
            _ = try await client.read(exactly: 1)
            // The clients' sockets take all descriptors that are left.
            let number = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
            var limit = rlimit()
            getrlimit(number, &limit)
            limit.rlim_cur = 200
            setrlimit(number, &limit)
            var address = try SocketAddress(ip: "127.0.0.1", port: port).kernelAddress(
                operation: "connect",
                endpoint: nil
            )
            var sockets: [Int32] = []
            while true {
                let socket = endpoints_socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                if socket < 0 { break }
                sockets.append(socket)
            }
            for socket in sockets {
                _ = endpoints_connect(socket, &address.storage, address.length)
            }
            for await event in events { if case .paused = event { break } }
            let before = clock()
            try await client.loop.sleep(for: .milliseconds(400))
            let spent = Double(clock() - before) / Double(CLOCKS_PER_SEC)
            #expect(spent < 0.1)
            // Those that are connected are served meanwhile.
            try await client.write([2])
            #expect(try await client.read(exactly: 1) == [2])
            #expect(log.lines("accept paused").count == 1)
            #expect(log.lines("accept paused").first?.metadata["error"]?.contains("EMFILE") == true)
            for socket in sockets { _ = endpoints_close(socket) }
            let again = try await TCPClientEndpoint(host: "127.0.0.1", port: port).connect(
                in: context
            )
            try await again.write([3])
            #expect(try await again.read(exactly: 1) == [3])
            #expect(log.lines("accept resumed").count == 1)
            await again.close()
            await client.close()
            serving.cancel()
            _ = await serving.result
            await context.loops.shutdown()
        }
    }
}

@Suite("Every errno of accept(2)", .tags(.faults), .timeLimit(.minutes(1)))
struct AcceptFailureTests {
    @Test("every errno has one answer, and one that accept(2) does not name has the listener pause")
    func exhaustive() {
        let named: [AcceptFailure: Set<Int32>] = [
            .wouldBlock: [EAGAIN],
            .connectionLost: [
                EINTR, ECONNABORTED, ETIMEDOUT, ENETDOWN, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET,
                EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH,
            ],
            .exhausted: [EMFILE, ENFILE, ENOBUFS, ENOMEM],
            .fatal: [EBADF, EINVAL, ENOTSOCK, EFAULT],
        ]
        for code in [Int32.min, -1, 0] + Array(1...4095) + [Int32.max] {
            let expected = named.first { $0.value.contains(code) }?.key ?? .refused
            #expect(AcceptFailure(errno: code) == expected, "errno \(code)")
        }
    }

    @Test(
        "an accept that always fails neither hangs the loop nor makes it spin, whatever the errno"
    )
    func persistent() async throws {
        for code in Int32(1)...140 {
            try await withHandDrivenLoop { driver, group in
                let source = FailingSource(code)
                let listener = Listener.make(
                    [source],
                    endpoint: "test",
                    in: EndpointContext(loops: group, logger: quietLogger)
                )
                let serving = Task { try? await listener.serve(echo) }
                let loop = group.loops[0]
                // It rests: by a timer, for an event, or for good.
                var attempts = -1
                while attempts != source.attempts.value || attempts == 0 {
                    attempts = source.attempts.value
                    for _ in 0..<20 { _ = await loop.census() }
                }
                #expect(attempts <= AcceptPause.mostLost + 1, "errno \(code)")
                switch AcceptFailure(errno: code) {
                case .wouldBlock:
                    #expect(await loop.census().timers == 0)
                case .fatal:
                    #expect(await listener.failure != nil)
                case .connectionLost, .exhausted, .refused:
                    #expect(await loop.census().timers == 1, "errno \(code)")
                    driver.advance(by: .milliseconds(5))
                    while source.attempts.value == attempts { _ = await loop.census() }
                }
                await listener.close()
                await serving.value
            }
        }
    }

    @Test("a listener whose socket cannot be watched fails, and nobody waits for it")
    func unwatchable() async throws {
        try await withHandDrivenLoop { _, group in
            let listener = Listener.make(
                [UnwatchableSource()],
                endpoint: "test",
                in: EndpointContext(loops: group, logger: quietLogger)
            )
            #expect(await code { try await listener.serve(echo) } != nil)
            #expect(await listener.failure?.systemError?.name == "ENOSPC")
        }
    }

    @Test("a refused accept is reported and logged once, and a drain does not wait for it")
    func refused() async throws {
        try await withHandDrivenLoop { _, group in
            let log = CapturedLog()
            let source = FailingSource(EPERM)
            let listener = Listener.make(
                [source],
                endpoint: "test",
                in: EndpointContext(loops: group, logger: log.logger)
            )
            var events = listener.events.makeAsyncIterator()
            let serving = Task { try await listener.serve(echo) }
            guard case .paused(let error)? = await events.next() else {
                Issue.record("the pause is not reported")
                return
            }
            #expect(error.systemError?.name == "EPERM")
            // By a clock that stands still: only the failed attempt itself can end it.
            await listener.drain(within: .seconds(3600))
            try await serving.value
            #expect(log.lines("accept paused").count == 1)
        }
    }
}

/// A source that the kernel will not watch.
private final class UnwatchableSource: ConnectionSource {
    let address = SocketAddress.loopback(.ipv4, port: 1)
    let queue = AcceptQueue()

    func register(for listener: Listener) -> Int32 { -ENOSPC }

    func next() -> Accepted { .wouldBlock }

    func close(on loop: EventLoop) {}
}

/// A source whose every attempt fails.
private final class FailingSource: ConnectionSource {
    private let code: Int32
    let attempts = Tally()
    let address = SocketAddress.loopback(.ipv4, port: 1)
    let queue = AcceptQueue()

    init(_ code: Int32) { self.code = code }

    func close(on loop: EventLoop) {}

    func next() -> Accepted {
        attempts.add()
        return .failed(code)
    }
}
