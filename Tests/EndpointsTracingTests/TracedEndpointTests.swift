import Endpoints
import EndpointsTracing
import InMemoryTracing
import Testing
import Tracing

@Suite("A span for connecting", .timeLimit(.minutes(1)))
struct TracedEndpointTests {
    @Test("it has a child for each phase, within its time, and says where it went")
    func phases() async throws {
        let tracer = InMemoryTracer()
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen()
        let client = try #require(listener.clientEndpoints.first)
        let traced = client.traced(by: tracer)
        #expect(traced.description == client.description)
        let connection = try await traced.connect()
        await connection.close()
        await listener.close()
        let spans = tracer.finishedSpans
        let parent = try #require(spans.last)
        #expect(parent.operationName == "connect")
        #expect(parent.kind == .client)
        #expect(parent.attributes.get("endpoint") == .string(client.description))
        #expect(parent.attributes.get("network.peer.address") == .string("127.0.0.1"))
        #expect(parent.errors.isEmpty)
        let children = spans.dropLast()
        #expect(!children.isEmpty)
        for child in children {
            #expect(child.parentSpanID == parent.spanID)
            #expect(["resolve", "connect"].contains(child.operationName))
            let slack: UInt64 = 1_000_000_000  // The two clocks are read one after the other.
            let start = child.startInstant.nanosecondsSinceEpoch
            let end = child.endInstant.nanosecondsSinceEpoch
            #expect(start <= end)
            #expect(start + slack >= parent.startInstant.nanosecondsSinceEpoch)
            #expect(end <= parent.endInstant.nanosecondsSinceEpoch + slack)
        }
    }

    @Test("a failure has its code, and an event for each address")
    func failure() async throws {
        let tracer = InMemoryTracer()
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen()
        let client = try #require(listener.clientEndpoints.first)
        await listener.close()
        await #expect(throws: EndpointError.self) {
            try await client.traced(by: tracer).connect().abort()
        }
        let span = try #require(tracer.finishedSpans.first)
        #expect(tracer.finishedSpans.count == 1)
        #expect(span.attributes.get("error.type") == .string("connectionRefused"))
        #expect(span.attributes.get("phase") == .string("connect"))
        #expect(span.status?.code == .error)
        #expect(span.errors.count == 1)
        #expect(span.events.map(\.name) == ["attempt"])
        #expect(span.events.first?.attributes.get("error.type") == .string("connectionRefused"))
    }

    @Test("a password is in no span")
    func secrets() async throws {
        let tracer = InMemoryTracer()
        let string = "socks5:a:1:proxy=[memory:nobody-\(UInt64.random(in: 0 ... .max))]"
        let client = try clientFromString("\(string):user=u:password=hunter2")
        let traced = client.traced(by: tracer)
        #expect(traced.redacted == client.redacted)
        await #expect(throws: EndpointError.self) { try await traced.connect().abort() }
        let span = try #require(tracer.finishedSpans.first)
        #expect(span.attributes.get("endpoint") == .string(client.redacted))
    }

    @Test("a cancelled attempt ends its span, which says so")
    func cancelled() async throws {
        let tracer = InMemoryTracer()
        let client: some ClientEndpoint = .tcp(host: "127.0.0.1", port: 9)
        let attempt = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await client.traced(by: tracer).connect().abort()
        }
        await #expect(throws: CancellationError.self) { try await attempt.value }
        #expect(tracer.finishedSpans.first?.attributes.get("error.type") == .string("cancelled"))
        #expect(tracer.activeSpans.isEmpty)
    }

    @Test("what connects inside is in the span's context")
    func context() async throws {
        let tracer = InMemoryTracer()
        let inner = Inner(tracer: tracer)
        await #expect(throws: EndpointError.self) {
            try await inner.traced(by: tracer).connect().abort()
        }
        let spans = tracer.finishedSpans
        #expect(spans.map(\.operationName) == ["inside", "connect"])
        #expect(spans.first?.parentSpanID == spans.last?.spanID)
    }
}

private struct Inner: ClientEndpoint {
    let tracer: InMemoryTracer
    var description: String { "inner" }

    func connect(in context: EndpointContext) async throws -> Connection {
        tracer.startSpan("inside").end()
        throw EndpointError(.connectionRefused, operation: "connect")
    }
}
