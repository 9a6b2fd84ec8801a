import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("On whose loops connections live", .timeLimit(.minutes(1)))
struct LoopChoiceTests {
    /// Runs `body` on a loop of a group that has nothing to do with the context's.
    private func fromElsewhere<Result: Sendable>(
        _ body: @escaping @Sendable (EndpointContext) async throws -> Result
    ) async throws -> Result {
        let (own, other) = (EventLoopGroup(loopCount: 2), EventLoopGroup(loopCount: 1))
        let context = EndpointContext(loops: own, logger: quietLogger)
        let result = await Task(executorPreference: other.loops[0]) {
            await Task { try await body(context) }.result
        }.value
        await other.shutdown()
        await own.shutdown()
        return try result.get()
    }

    private static func isOwn(_ loop: EventLoop, _ context: EndpointContext) -> Bool {
        context.loops.loops.contains { $0 === loop }
    }

    @Test(
        "a caller on another group's loop gets listeners and connections on the context's loops",
        arguments: ["tcp:0:interface=127.0.0.1", "unix:", "memory:loops"]
    )
    func otherGroup(text: String) async throws {
        let folder = try TemporaryDirectory()
        let text = text == "unix:" ? "unix:\(folder.file("s"))" : text
        try await fromElsewhere { context in
            let listener = try await serverFromString(text).listen(in: context)
            #expect(Self.isOwn(listener.loop, context))
            let client = try #require(listener.clientEndpoints.first)
            let connection = try await client.connect(in: context)
            #expect(Self.isOwn(connection.loop, context))
            var iterator = listener.makeAsyncIterator()
            let accepted = try #require(await iterator.next())
            #expect(Self.isOwn(accepted.loop, context))
            try await connection.write([1])
            #expect(try await accepted.read(exactly: 1) == [1])
            accepted.abort()
            connection.abort()
            await listener.close()
        }
    }

    @Test("a process's connection lives on the context's loops, too")
    func process() async throws {
        try await fromElsewhere { context in
            let connection = try await clientFromString("process:/bin/cat").connect(in: context)
            #expect(Self.isOwn(connection.loop, context))
            try await connection.write([1])
            #expect(try await connection.read(exactly: 1) == [1])
            await connection.close()
        }
    }

    @Test("a connection outlives another group on whose loop its caller ran")
    func outlives() async throws {
        let (own, other) = (EventLoopGroup(loopCount: 1), EventLoopGroup(loopCount: 1))
        let context = EndpointContext(loops: own, logger: quietLogger)
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen(in: context)
        let serving = Task { try await listener.serve(echo) }
        let client = try #require(listener.clientEndpoints.first)
        let connection = try await Task(executorPreference: other.loops[0]) {
            try await client.connect(in: context)
        }.value
        await other.shutdown()
        try await connection.write([1])
        #expect(try await connection.read(exactly: 1) == [1])
        await connection.close()
        await listener.close()
        try await serving.value
        await own.shutdown()
    }

    @Test(
        "a caller on one of the context's loops, or with a context without a group, stays on its loop",
        arguments: [false, true]
    )
    func sameGroup(isGiven: Bool) async throws {
        let group = EventLoopGroup(loopCount: 4)
        let context = EndpointContext(loops: isGiven ? group : nil, logger: quietLogger)
        for loop in group.loops {
            try await Task(executorPreference: loop) {
                let listener = try await serverFromString("tcp:0:interface=127.0.0.1")
                    .listen(in: context)
                #expect(listener.loop === loop)
                let client = try #require(listener.clientEndpoints.first)
                let connection = try await client.connect(in: context)
                #expect(connection.loop === loop)
                connection.abort()
                await listener.close()
            }.value
        }
        await group.shutdown()
    }

    private struct Silent: NameResolver {
        let asked: Tally

        func addresses(
            of name: String,
            port: UInt16,
            family: AddressFamily
        ) async throws -> [SocketAddress] {
            asked.add()
            try await Task.sleep(for: .seconds(3600))
            return []
        }
    }

    @Test("connecting on loops that are shut down meanwhile is no cancellation")
    func shutDown() async throws {
        let group = EventLoopGroup(loopCount: 1)
        let asked = Tally()
        let context = EndpointContext(
            loops: group,
            logger: quietLogger,
            resolver: Silent(asked: asked)
        )
        let connecting = Task {
            await code { try await clientFromString("tcp:host.example:80").connect(in: context) }
        }
        try await asked.reaches(1)
        await group.shutdown()
        #expect(await connecting.value == .closed)
    }
}
