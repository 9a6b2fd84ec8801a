import Endpoints
import EndpointsService
import Logging
import ServiceLifecycle
import Testing

@Suite("Services", .timeLimit(.minutes(1)))
struct ListenerServiceTests {
    private func group(_ services: [any Service]) -> ServiceGroup {
        ServiceGroup(services: services, logger: Logger(label: "test"))
    }

    private func client(_ service: ListenerService) async throws -> any ClientEndpoint {
        let addresses = try await service.listening()
        let port = try #require(addresses.first?.port)
        return .tcp(host: "127.0.0.1", port: port)
    }

    @Test("it serves once the group runs, and a graceful shutdown ends it")
    func serves() async throws {
        let service = try ListenerService("tcp:0:interface=127.0.0.1") { connection in
            for try await chunk in connection { try await connection.write(chunk) }
        }
        let group = group([service])
        async let run: Void = group.run()
        let client = try await client(service)
        try await client.withConnection { connection in
            try await connection.write("hello".utf8)
            #expect(try await connection.read(exactly: 5) == Array("hello".utf8))
        }
        await group.triggerGracefulShutdown()
        try await run
        await #expect(throws: EndpointError.self) { _ = try await client.connect() }
    }

    @Test("a graceful shutdown lets a handler finish its answer")
    func drains() async throws {
        let (begun, signal) = AsyncStream.makeStream(of: Void.self)
        let service = ListenerService(.tcp(port: 0, interface: "127.0.0.1")) { connection in
            signal.yield()
            let question = try await connection.read(exactly: 3)
            try await connection.write(question)
        }
        let group = group([service])
        async let run: Void = group.run()
        let client = try await client(service)
        try await client.withConnection { connection in
            for await _ in begun { break }
            await group.triggerGracefulShutdown()
            while (try? await client.connect())?.abort() != nil {}
            try await connection.write("abc".utf8)
            #expect(try await connection.read(exactly: 3) == Array("abc".utf8))
        }
        try await run
    }

    @Test("a handler that takes longer than the drain is aborted")
    func aborts() async throws {
        let (begun, signal) = AsyncStream.makeStream(of: Void.self)
        let service = ListenerService(
            .tcp(port: 0, interface: "127.0.0.1"),
            drain: .milliseconds(1)
        ) { connection in
            signal.yield()
            _ = try await connection.read(atMost: 1)
        }
        let group = group([service])
        async let run: Void = group.run()
        let connection = try await client(service).connect()
        for await _ in begun { break }
        await group.triggerGracefulShutdown()
        await #expect {
            _ = try await connection.read(atMost: 1)
        } throws: { error in
            (error as? EndpointError)?.code == .connectionReset
        }
        await connection.close()
        try await run
    }

    @Test("what goes as it should is logged for debugging only, an aborted handler as a warning")
    func logged() async throws {
        for handlerIsSlow in [false, true] {
            let (levels, told) = AsyncStream.makeStream(of: Logger.Level.self)
            let logger = Logger(label: "test") { _ in LevelHandler(told: told) }
            let (begun, signal) = AsyncStream.makeStream(of: Void.self)
            let service = ListenerService(
                .tcp(port: 0, interface: "127.0.0.1"),
                in: EndpointContext(logger: logger),
                drain: handlerIsSlow ? .zero : .seconds(30)
            ) { connection in
                signal.yield()
                if handlerIsSlow { _ = try? await connection.read(atMost: 1) }
            }
            let group = group([service])
            async let run: Void = group.run()
            let connection = try await client(service).connect()
            for await _ in begun { break }
            if !handlerIsSlow { #expect(try await connection.read(atMost: 1) == nil) }
            await group.triggerGracefulShutdown()
            try await run
            connection.abort()
            told.finish()
            let seen = await levels.reduce(into: []) { $0.append($1) }
            #expect(seen == (handlerIsSlow ? [.debug, .warning] : [.debug, .debug]))
        }
    }

    @Test("cancelling the group's task cancels the handlers", .tags(.cancellation))
    func cancelled() async throws {
        let (begun, signal) = AsyncStream.makeStream(of: Void.self)
        let service = ListenerService(.tcp(port: 0, interface: "127.0.0.1")) { connection in
            signal.yield()
            _ = try await connection.read(atMost: 1)
        }
        let task = Task { try await service.run() }
        let connection = try await client(service).connect()
        for await _ in begun { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await connection.read(atMost: 1) == nil)
        await connection.close()
    }

    @Test("a wrong string is told when the service is made")
    func wrongString() {
        #expect(throws: EndpointStringError.self) {
            _ = try ListenerService("tcp:eighty") { _ in }
        }
    }

    @Test("what keeps it from listening ends the group, and whoever waits for it")
    func cannotListen() async throws {
        let service = ListenerService(.unix(path: "/nonexistent/endpoints.sock")) { _ in }
        await #expect(throws: EndpointError.self) { try await service.run() }
        await #expect(throws: EndpointError.self) { _ = try await service.listening() }
    }

    @Test("who waits for it to listen can be cancelled", .tags(.cancellation))
    func waitCancelled() async {
        let service = ListenerService(.tcp(port: 0)) { _ in }
        let task = Task { try await service.listening() }
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
    }

    @Test("a reconnecting client starts with the group and is stopped with it")
    func reconnecting() async throws {
        let service = ListenerService(.tcp(port: 0, interface: "127.0.0.1")) { connection in
            for try await chunk in connection { try await connection.write(chunk) }
        }
        let server = group([service])
        async let serverRun: Void = server.run()
        let client = ReconnectingClient(TestClient(endpoint: try await client(service))) { $0 }
        let group = group([ReconnectingClientService(client)])
        async let run: Void = group.run()
        let connection = try await client.whenConnected()
        try await connection.write("x".utf8)
        #expect(try await connection.read(exactly: 1) == [120])
        await group.triggerGracefulShutdown()
        try await run
        guard case .stopped = await client.state else {
            Issue.record("the client is \(await client.state)")
            return
        }
        await server.triggerGracefulShutdown()
        try await serverRun
    }
}

/// An endpoint of which only the protocol is known.
private struct TestClient: ClientEndpoint {
    var endpoint: any ClientEndpoint
    var description: String { "\(endpoint)" }

    func connect(in context: EndpointContext) async throws -> Connection {
        try await endpoint.connect(in: context)
    }
}

extension Tag {
    @Tag static var cancellation: Self
}
