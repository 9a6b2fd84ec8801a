import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Reconnecting client: scopes", .timeLimit(.minutes(1)))
struct ReconnectingScopesTests {
    @Test("run starts, stops gently when cancelled, and throws", .tags(.cancellation))
    func runCancelled() async throws {
        let it = Setting()
        let run = Task { try await it.client.run() }
        let connection = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        run.cancel()
        await connection.closeBegan.value
        #expect(!connection.aborted.isFulfilled)
        await it.passWait(.seconds(1))
        await #expect(throws: CancellationError.self) { try await run.value }
        #expect(connection.aborted.isFulfilled)
        await it.finish()
    }

    @Test("run returns when the client is stopped")
    func runStopped() async throws {
        let it = Setting()
        async let run: Void = it.client.run()
        await it.source.connectNext()
        _ = try await it.client.whenConnected()
        await it.client.stop()
        try await run
        await it.finish()
    }

    @Test("a cancelled task does not start to run", .tags(.cancellation))
    func runCancelledBefore() async {
        let it = Setting()
        let run = Task {
            while !Task.isCancelled { await Task.yield() }
            try await it.client.run()
        }
        run.cancel()
        await #expect(throws: CancellationError.self) { try await run.value }
        #expect(it.source.counts.attempts == 0)
    }

    @Test("the scope's end is the client's, whether it returns or throws")
    func scope() async throws {
        for fails in [false, true] {
            let it = Setting()
            async let connected = it.source.connectNext()
            var seen = 0
            let result = Result<Int, ScriptedSource.Refused>.failure(.init("mine"))
            do {
                let returned = try await withStarted(it.client) { client in
                    seen = try await client.whenConnected().number
                    if fails { _ = try result.get() }
                    return 42
                }
                #expect(returned == 42 && !fails)
            } catch let error as ScriptedSource.Refused {
                #expect(error == .init("mine") && fails)
            }
            #expect(seen == 1)
            #expect(await connected.closed.isFulfilled)
            await it.finish()
        }
    }

    @Test("a cancelled scope closes gently, for a second at most", .tags(.cancellation))
    func cancelledScope() async throws {
        let it = Setting()
        let task = Task {
            try await withStarted(it.client) { client in
                for await _ in client.connections {}
                try Task.checkCancellation()
            }
        }
        let connection = await it.source.connectNext(closes: false)
        _ = try await it.client.whenConnected()
        task.cancel()
        await connection.closeBegan.value
        await it.passWait(.seconds(1))
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(connection.aborted.isFulfilled)
        await it.finish()
    }
}
