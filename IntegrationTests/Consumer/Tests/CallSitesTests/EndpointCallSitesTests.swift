import Endpoints
import Testing

@testable import CallSites

@Suite("Call sites of endpoints", .timeLimit(.minutes(1)))
struct EndpointCallSitesTests {
    @Test("strings and static members make endpoints, which print as strings")
    func strings() throws {
        try endpoints()
        try registry()
    }

    @Test("an endpoint of any kind is an argument")
    func argument() async throws {
        try await withServer { _ in
        } body: { client in
            // Its second half connects to a port where nobody listens.
            let error = await #expect(throws: EndpointError.self) { try await arguments(client) }
            #expect(error?.code == .connectionRefused)
        }
    }

    @Test("a third party's kind connects by its string")
    func thirdParty() async throws {
        var registry = EndpointRegistry.standard
        registry.register(MyKind.self)
        let connection = try await clientFromString("my:thing:count=3", in: registry).connect()
        #expect(try await connection.read(exactly: 8) == Array("thing 3\n".utf8))
        await connection.close()
    }

    @Test("a wrong string tells what, where and what was meant")
    func wrong() {
        let (message, column, _) = wrongString()
        #expect(message.contains("eighty"))
        #expect(column == 22)
    }

    @Test("an actor can be an endpoint")
    func actorEndpoint() async {
        let error = await #expect(throws: EndpointError.self) { try await Scripted().connect() }
        #expect(error?.code == .connectionRefused)
    }

    @Test("loops, logger and resolver are handed in")
    func inContext() async throws {
        try await withServer { _ in
        } body: { client in
            try await context(client, .tcp(port: 0, interface: "127.0.0.1"))
        }
    }

    @Test("connecting, within a scope and within a time")
    func connect() async throws {
        try await withServer { connection in
            guard let chunk = try await connection.read(atMost: 4096) else { return }
            try await connection.write(chunk)
        } body: { client in
            try await connecting(client)
        }
    }

    @Test("errors can be told apart")
    func apart() async throws {
        await errors(try await .refusing())
    }

    @Test("loops run tasks and keep time")
    func loop() async throws {
        try await loops()
    }
}
