import CEndpoints
import Endpoints
import EventLoop
import Logging
import ServiceLifecycle
import Testing

@testable import EndpointsService

@Suite("Notifying systemd", .timeLimit(.minutes(1)))
struct SystemdNotifierTests {
    typealias Message = @Sendable (SystemdNotifier) async throws -> Void

    static let messages: [(Message, [String])] = [
        ({ try await $0.ready() }, ["READY=1"]),
        ({ try await $0.ready(status: "serving") }, ["READY=1", "STATUS=serving"]),
        ({ try await $0.stopping() }, ["STOPPING=1"]),
        ({ try await $0.stopping(status: "draining 3") }, ["STOPPING=1", "STATUS=draining 3"]),
        ({ try await $0.status("ä\nREADY=1\u{7f}") }, ["STATUS=ä READY=1 "]),
        ({ try await $0.watchdog() }, ["WATCHDOG=1"]),
        ({ try await $0.removeStored(name: "web") }, ["FDSTOREREMOVE=1", "FDNAME=web"]),
    ]

    @Test("each message is one datagram of lines", arguments: messages.indices)
    func message(index: Int) async throws {
        let (send, expected) = Self.messages[index]
        let socket = try NotifySocket("@endpoints-notify-\(getpid())-\(index)")
        try await send(SystemdNotifier(socket: socket.name))
        #expect(try await socket.receive().lines == expected)
        #expect(socket.receiveNow() == nil)
    }

    @Test("the socket may be a path")
    func path() async throws {
        let socket = try NotifySocket("/tmp/endpoints-notify-\(getpid())")
        try await SystemdNotifier(socket: socket.name).ready()
        #expect(try await socket.receive().lines == ["READY=1"])
    }

    @Test("reloading carries the time of CLOCK_MONOTONIC in microseconds")
    func reloading() async throws {
        let socket = try NotifySocket("@endpoints-reloading-\(getpid())")
        let before = endpoints_now() / 1000
        try await SystemdNotifier(socket: socket.name).reloading(status: "again")
        let lines = try await socket.receive().lines
        #expect(lines.count == 3 && lines[0] == "RELOADING=1" && lines[2] == "STATUS=again")
        let time = try #require(lines[1].split(separator: "=").last.flatMap { UInt64($0) })
        #expect(lines[1].hasPrefix("MONOTONIC_USEC="))
        #expect((before...endpoints_now() / 1000).contains(time))
    }

    @Test("a stored descriptor arrives as a copy of the same socket")
    func store() async throws {
        let socket = try NotifySocket("@endpoints-store-\(getpid())")
        let stored = endpoints_socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { _ = endpoints_close(stored) }
        try await SystemdNotifier(socket: socket.name).store([stored], name: "web")
        let message = try await socket.receive()
        #expect(message.lines == ["FDSTORE=1", "FDNAME=web"])
        let copy = try #require(message.descriptor)
        defer { _ = endpoints_close(copy) }
        #expect(copy != stored)
        var (ours, theirs) = (stat(), stat())
        #expect(fstat(stored, &ours) == 0 && fstat(copy, &theirs) == 0)
        #expect(ours.st_ino == theirs.st_ino)
    }

    @Test(
        "wrong names and numbers of descriptors are refused",
        arguments: [
            ([0], ""), ([0], "a:b"), ([0], "a b"), ([0], "ä"), ([], "web"),
            ([0], String(repeating: "x", count: 256)),
            ([Int32](repeating: 0, count: 254), "web"),
        ] as [([Int32], String)]
    )
    func refused(descriptors: [Int32], name: String) async throws {
        let notifier = SystemdNotifier(socket: "@endpoints-nobody")
        await #expect {
            try await notifier.store(descriptors, name: name)
        } throws: { error in
            (error as? EndpointError)?.code == .invalidArgument
        }
    }

    @Test("without a socket nothing is told and nothing fails")
    func nobody() async throws {
        let notifier = SystemdNotifier(socket: nil)
        #expect(!notifier.isActive)
        for (send, _) in Self.messages { try await send(notifier) }
    }

    @Test("a socket that nobody reads any more is an error that names it")
    func gone() async throws {
        await #expect {
            try await SystemdNotifier(socket: "@endpoints-nobody").ready()
        } throws: { error in
            let error = error as? EndpointError
            return error?.code == .connectionRefused
                && "\(error.map { "\($0)" } ?? "")".contains("notify \"@endpoints-nobody\"")
        }
    }

    @Test("a full receiver is waited for, and no message is lost")
    func full() async throws {
        let socket = try NotifySocket("@endpoints-full-\(getpid())")
        let notifier = SystemdNotifier(socket: socket.name)
        let count = 2000  // above net.unix.max_dgram_qlen
        async let sent: Void = {
            for number in 0..<count { try await notifier.status("\(number)") }
        }()
        for number in 0..<count {
            let message = try await socket.receive()
            #expect(message.lines == ["STATUS=\(number)"])
        }
        try await sent
    }

    @Test(
        "the environment says whom to tell",
        arguments: [
            ([:], nil, nil),
            (["NOTIFY_SOCKET": ""], nil, nil),
            (["NOTIFY_SOCKET": "/run/x"], "/run/x", nil),
            (["NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000"], "@x", .seconds(3)),
            (["WATCHDOG_USEC": "5", "WATCHDOG_PID": "7"], nil, .microseconds(5)),
            (["WATCHDOG_USEC": "5", "WATCHDOG_PID": "8"], nil, nil),
            (["WATCHDOG_USEC": "0"], nil, nil),
            (["WATCHDOG_USEC": "-1"], nil, nil),
            (["WATCHDOG_USEC": "7200000000"], nil, .seconds(7200)),
            (["WATCHDOG_USEC": "\(UInt64.max)"], nil, nil),
        ] as [([String: String], String?, Duration?)]
    )
    func environment(_ values: [String: String], socket: String?, timeout: Duration?) {
        let notifier = SystemdNotifier(environment: { values[$0] }, process: 7)
        #expect(notifier.socket == socket)
        #expect(notifier.watchdogTimeout == timeout)
    }

    @Test("the service tells ready, feeds the watchdog and tells stopping")
    func service() async throws {
        let socket = try NotifySocket("@endpoints-service-\(getpid())")
        let notifier = SystemdNotifier(socket: socket.name, watchdogTimeout: .milliseconds(20))
        let group = ServiceGroup(
            services: [SystemdService(notifier)],
            logger: Logger(label: "test")
        )
        async let run: Void = group.run()
        var (isReady, meals) = (false, 0)
        while !isReady || meals < 3 {
            let lines = try await socket.receive().lines
            if lines == ["READY=1"] { isReady = true }
            if lines == ["WATCHDOG=1"] { meals += 1 }
        }
        await group.triggerGracefulShutdown()
        while try await socket.receive().lines != ["STOPPING=1"] {}
        try await run
    }

    @Test("when another process is the main one, the service says nothing more")
    func succeeded() async throws {
        let socket = try NotifySocket("@endpoints-succeeded-\(getpid())")
        let group = ServiceGroup(
            services: [SystemdService(SystemdNotifier(socket: socket.name))],
            logger: Logger(label: "test")
        )
        async let run: Void = group.run()
        #expect(try await socket.receive().lines == ["READY=1"])
        try await SystemdNotifier(socket: socket.name).mainProcess(1)
        await group.triggerGracefulShutdown()
        try await run
        #expect(socket.receiveNow()?.lines == ["MAINPID=1"])
        #expect(socket.receiveNow() == nil)
    }

    @Test("a process that is the main one again speaks again")
    func mainAgain() async throws {
        let socket = try NotifySocket("@endpoints-again-\(getpid())")
        let notifier = SystemdNotifier(socket: socket.name)
        #expect(notifier.isMainProcess)
        try await notifier.mainProcess(1)
        #expect(!notifier.isMainProcess)
        try await notifier.mainProcess(getpid())
        #expect(notifier.isMainProcess)
    }

    @Test("a socket that is gone is warned of once, however often the watchdog is due")
    func warnings() async throws {
        let (levels, told) = AsyncStream.makeStream(of: Logger.Level.self)
        let logger = Logger(label: "test") { _ in LevelHandler(told: told) }
        let service = SystemdService(
            SystemdNotifier(socket: "@endpoints-gone", watchdogTimeout: .milliseconds(2)),
            in: EndpointContext(logger: logger)
        ) {
            throw CancellationError()  // Only the watchdog has something to tell.
        }
        let run = Task { await service.run() }
        var seen: [Logger.Level] = []
        for await level in levels {
            seen.append(level)
            if seen.count == 4 { break }
        }
        run.cancel()
        await run.value
        #expect(seen == [.warning, .debug, .debug, .debug])
    }
}
