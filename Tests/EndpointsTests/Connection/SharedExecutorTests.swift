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

private actor Guest {
    let connection: Connection
    private(set) var lines: [String] = []
    nonisolated var unownedExecutor: UnownedSerialExecutor { connection.unownedExecutor }

    init(_ connection: Connection) { self.connection = connection }

    var thread: pthread_t { currentThread() }
    var isHome: Bool { connection.loop.isCurrent }

    func readLine() async throws -> Bool {
        for try await line in connection.lines() {
            lines.append(line)
            break
        }
        return connection.loop.isCurrent
    }
}

@Suite("An actor that shares its connection's executor", .timeLimit(.minutes(1)))
struct SharedExecutorTests {
    @Test("its calls cost no hop: they stay on the connection's thread")
    func noHop() async throws {
        try await withPair { a, b in
            let guest = Guest(b)
            try await a.write("one\ntwo\n".utf8)
            let places = try await b.perform { connection in
                let thread = currentThread()
                let there = await guest.thread
                let isHome = try await guest.readLine()
                return [thread == there, isHome, connection.loop.isCurrent]
            }
            #expect(places == [true, true, true])
            #expect(try await guest.readLine())
            #expect(await guest.lines == ["one", "two"])
        }
    }
}

/// pthread_self is a constant function, which the compiler may call before a hop that comes first.
@inline(never) private func currentThread() -> pthread_t { pthread_self() }
