import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// Durations that have no components, or whose sums have none.
private let extremes: [Duration] = [
    Duration(attoseconds: .max), Duration(attoseconds: .min), .seconds(1e19), .seconds(-1e19),
    .seconds(Int64.max), .seconds(Int64.min), .seconds(UInt64.max), .nanoseconds(UInt64.max),
]

@Suite("Extreme durations", .timeLimit(.minutes(1)))
struct ExtremeDurationTests {
    @Test("a duration is counted within bounds, however long", arguments: extremes)
    func counted(duration: Duration) {
        let longest: UInt64 = 4_000_000_000_000_000_000
        #expect(duration.nanosecondsClamped == (duration > .zero ? longest : 0))
        #expect(duration.secondsClamped == (duration > .zero ? 4_000_000_000 : 0))
    }

    @Test("a duration is counted to the nanosecond where there is room")
    func exact() {
        #expect(Duration.zero.nanosecondsClamped == 0)
        #expect(Duration.nanoseconds(1).nanosecondsClamped == 1)
        #expect(
            Duration(secondsComponent: 3, attosecondsComponent: 5).nanosecondsClamped
                == 3_000_000_000
        )
        #expect(Duration.milliseconds(1999).secondsClamped == 1)
    }

    @Test("a duration is printed, however long", arguments: extremes)
    func printed(duration: Duration) {
        #expect(duration.inSeconds.hasSuffix(" s"))
        #expect(duration.decimalSeconds.hasPrefix("-") == (duration < .zero))
    }

    @Test("an endpoint takes any time limit, and prints it", arguments: extremes)
    func timeLimit(duration: Duration) async throws {
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen()
        let port = try #require(listener.addresses.first?.port)
        var client = TCPClientEndpoint(host: "127.0.0.1", port: port)
        client.timeout = duration
        client.options.keepAlive = duration
        client.options.userTimeout = duration
        #expect(!client.description.isEmpty)
        if duration > .zero {
            let connection = try await client.connect()
            connection.idleTimeout = duration
            await connection.close()
        } else {
            let error = await #expect(throws: EndpointError.self) { try await client.connect() }
            #expect(error?.code == .timedOut)
        }
        await listener.close()
    }

    @Test("a drain, a sleep and a time limit take any duration", arguments: extremes)
    func waits(duration: Duration) async throws {
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen()
        #expect(await listener.drain(within: duration) == DrainResult(finished: 0, aborted: 0))
        if duration > .zero {
            #expect(try await withTimeout(duration) { 1 } == 1)
        } else {
            let error = await #expect(throws: TimeoutError.self) {
                try await withTimeout(duration) { try await Task.sleep(for: .seconds(3600)) }
            }
            #expect(error?.description.hasPrefix("timed out after -") == true)
            try await EventLoopGroup.shared.next().sleep(for: duration)
        }
    }
}
