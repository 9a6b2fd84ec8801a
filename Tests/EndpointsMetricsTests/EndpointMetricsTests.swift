import Endpoints
import EndpointsMetrics
import Metrics
import MetricsTestKit
import Testing

@Suite("Metrics", .timeLimit(.minutes(1)))
struct EndpointMetricsTests {
    /// Runs `body` with metrics of its own, and a context on loops of its own.
    private func withMetrics(
        mostEndpoints: Int = 1000,
        _ body: (TestMetrics, EndpointContext) async throws -> Void
    ) async throws {
        let group = EventLoopGroup(loopCount: 1)
        let metrics = TestMetrics()
        var context = EndpointContext(loops: group)
        context.logger.logLevel = .critical
        context.observer = EndpointMetrics(factory: metrics, mostEndpoints: mostEndpoints)
        do { try await body(metrics, context) } catch {
            await group.shutdown()
            throw error
        }
        await group.shutdown()
    }

    private func client(of listener: Listener) throws -> any ClientEndpoint {
        try #require(listener.clientEndpoints.first)
    }

    @Test("connections opened, live, closed, their bytes and latencies, at both ends")
    func connections() async throws {
        try await withMetrics { metrics, context in
            let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
            let listener = try await server.listen(in: context)
            async let served: Void = listener.serve { connection in
                for try await chunk in connection { try await connection.write(chunk) }
            }
            let client = try client(of: listener)
            for _ in 0..<3 {
                try await client.withConnection(in: context) { connection in
                    try await connection.write([1, 2, 3])
                    #expect(try await connection.read(exactly: 3) == [1, 2, 3])
                    #expect(metrics.meter("live", of: client.description) == 1)
                    #expect(metrics.meter("live", of: server.description) == 1)
                }
                // The server's end of it is closed when its handler has seen ours.
                while metrics.meter("live", of: server.description) != 0 { await Task.yield() }
            }
            await listener.close()
            try await served
            for endpoint in [server.description, client.description] {
                #expect(metrics.counter("connections.opened", of: endpoint) == 3)
                #expect(metrics.counter("connections.closed", of: endpoint) == 3)
                #expect(metrics.counter("bytes.read", of: endpoint) == 9)
                #expect(metrics.counter("bytes.written", of: endpoint) == 9)
                #expect(metrics.meter("live", of: endpoint) == 0)
            }
            #expect(metrics.times("accept", of: server.description) == 3)
            #expect(metrics.times("connect", of: client.description) == 3)
            #expect(metrics.counters(label: "endpoints.connections.failed").isEmpty)
        }
    }

    @Test("a connection that is upgraded counts once")
    func upgraded() async throws {
        try await withMetrics { metrics, context in
            let server = try serverFromString("haproxy:tcp:0:interface=127.0.0.1")
            let listener = try await server.listen(in: context)
            async let serving: Void = listener.serve { connection in
                _ = try await connection.read(atMost: 1)
            }
            let client = try client(of: listener)
            try await client.withConnection(in: context) { _ in }
            await listener.drain(within: .seconds(30))
            try await serving
            #expect(metrics.counterTotal(label: "endpoints.connections.opened") == 2)
            #expect(metrics.counterTotal(label: "endpoints.connections.closed") == 2)
            let served = metrics.timers(label: "endpoints.accept").map(\.values.count)
            #expect(served.reduce(0, +) == 1)
        }
    }

    @Test("failures by step and reason: refused, no header, reset, cancelled")
    func failures() async throws {
        try await withMetrics { metrics, context in
            let server = try serverFromString("haproxy:tcp:0:interface=127.0.0.1")
            let listener = try await server.listen(in: context)
            async let served: Void = listener.serve { connection in
                _ = try await connection.read(exactly: 1)
            }
            let port = listener.addresses.first?.port ?? 0
            let plain: some ClientEndpoint = .tcp(host: "127.0.0.1", port: port)
            try await plain.withConnection(in: context) { connection in
                try await connection.write("no header\r\n".utf8)
                _ = try? await connection.read(atMost: 1)
            }
            let connection = try await client(of: listener).connect(in: context)
            connection.abort()
            let isRefused = { metrics.failures(step: "accept").values.reduce(0, +) == 1 }
            while !isRefused() { await Task.yield() }
            await listener.drain(within: .seconds(30))
            try await served
            #expect(metrics.failures(step: "accept").count == 1)
            do {
                try await plain.observed().connect(in: context).abort()
                Issue.record("connected to a closed port")
            } catch {}
            #expect(metrics.failures(step: "connect") == ["connectionRefused": 1])
            let cancelled = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                try await plain.observed().connect(in: context).abort()
            }
            _ = await cancelled.result
            #expect(metrics.failures(step: "connect") == ["connectionRefused": 1, "cancelled": 1])
        }
    }

    @Test("waits of a reconnecting client")
    func reconnects() async throws {
        try await withMetrics { metrics, context in
            let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
            let listener = try await server.listen(in: context)
            let client = try client(of: listener)
            await listener.close()
            let retry = RetryPolicy.constant(.milliseconds(1))
            let reconnecting = ReconnectingClient(client, in: context, retry: retry) { _ in }
            await reconnecting.start()
            await #expect(throws: EndpointError.self) {
                try await reconnecting.whenConnected(failAfterFailures: 3)
            }
            await reconnecting.stop()
            let waits = metrics.counter("reconnects", of: client.description)
            #expect(waits >= 2)
            #expect(metrics.failures(step: "connect")["connectionRefused"] ?? 0 >= 3)
        }
    }

    @Test("strings of endpoints have no end, metrics have")
    func others() async throws {
        let metrics = TestMetrics()
        let observer = EndpointMetrics(factory: metrics, mostEndpoints: 2)
        for number in 0..<10 {
            observer.connectionOpened(at: "tcp:\(number)")
            observer.connectFailed(
                to: "tcp:\(number)",
                after: .zero,
                EndpointError(.timedOut, operation: "connect")
            )
        }
        #expect(metrics.counter("connections.opened", of: "tcp:0") == 1)
        #expect(metrics.counter("connections.opened", of: "other") == 8)
        #expect(metrics.counters(label: "endpoints.connections.opened").count == 3)
        #expect(metrics.counters(label: "endpoints.connections.failed").count == 3)
        #expect(metrics.failures(step: "connect") == ["timedOut": 10])
    }

    @Test("endpoints that only ever fail have no end, and metrics have")
    func failingOthers() async throws {
        let metrics = TestMetrics()
        let observer = EndpointMetrics(factory: metrics, mostEndpoints: 2)
        for number in 0..<10 {
            let error = EndpointError(.connectionRefused, operation: "connect")
            observer.connectFailed(to: "tcp:\(number)", after: .zero, error)
        }
        #expect(metrics.counters(label: "endpoints.connections.failed").count == 3)
        #expect(metrics.failures(step: "connect") == ["connectionRefused": 10])
    }

    @Test("the lag of each loop")
    func lag() async throws {
        let group = EventLoopGroup(loopCount: 2)
        let metrics = TestMetrics()
        let observer = EndpointMetrics(factory: metrics)
        let reporting = Task {
            await observer.reportLoopLag(of: group, every: .milliseconds(1))
        }
        while metrics.timers(label: "endpoints.loop.lag").filter({ !$0.values.isEmpty }).count < 2 {
            await Task.yield()
        }
        reporting.cancel()
        await reporting.value
        await group.shutdown()
    }
}

extension TestMetrics {
    fileprivate func counter(_ name: String, of endpoint: String) -> Int64 {
        counterTotal(label: "endpoints.\(name)", dimensions: [("endpoint", endpoint)])
    }

    fileprivate func meter(_ name: String, of endpoint: String) -> Double? {
        let found = meters(
            label: "endpoints.connections.\(name)",
            dimensions: [("endpoint", endpoint)]
        )
        return found.first?.lastValue
    }

    fileprivate func times(_ name: String, of endpoint: String) -> Int {
        timers(label: "endpoints.\(name)", dimensions: [("endpoint", endpoint)]).first?.values.count
            ?? 0
    }

    /// How often what was done failed, by reason.
    fileprivate func failures(step: String) -> [String: Int64] {
        var found: [String: Int64] = [:]
        for counter in counters(label: "endpoints.connections.failed") {
            let dimensions = Dictionary(uniqueKeysWithValues: counter.dimensions)
            guard dimensions["step"] == step, let reason = dimensions["reason"] else { continue }
            found[reason, default: 0] += counter.totalValue
        }
        return found
    }
}
