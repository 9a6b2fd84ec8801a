import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// Takes no notice of cancellation: it answers when the test says so.
private final class StubbornResolver: NameResolver {
    private struct State {
        var continuations: [UnsafeContinuation<Void, Never>] = []
        var watchers: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Lock(State())
    private let stubborn: Set<AddressFamily>
    private let found: [SocketAddress]

    init(in stubborn: Set<AddressFamily> = [.ipv4, .ipv6], found: [SocketAddress] = []) {
        self.stubborn = stubborn
        self.found = found
    }

    func addresses(
        of host: String,
        port: UInt16,
        family: AddressFamily
    ) async throws -> [SocketAddress] {
        if stubborn.contains(family) {
            await withUnsafeContinuation { continuation in
                let watchers = state.withLock { state in
                    state.continuations.append(continuation)
                    defer { state.watchers = [] }
                    return state.watchers
                }
                for watcher in watchers { watcher.resume() }
            }
        }
        return found.filter { $0.family == family }
    }

    /// Returns when it is asked.
    func whenAsked() async {
        await withCheckedContinuation { watcher in
            let isAsked = state.withLock { state in
                if state.continuations.isEmpty { state.watchers.append(watcher) }
                return !state.continuations.isEmpty
            }
            if isAsked { watcher.resume() }
        }
    }

    func answer() {
        let continuations = state.withLock { state in
            defer { state.continuations = [] }
            return state.continuations
        }
        for continuation in continuations { continuation.resume() }
    }
}

@Suite("A name resolver that ignores cancellation", .tags(.cancellation), .timeLimit(.minutes(1)))
struct StubbornResolverTests {
    private func context(_ resolver: StubbornResolver) -> EndpointContext {
        EndpointContext(logger: quietLogger, resolver: resolver)
    }

    private func isCancelled<Success>(_ task: Task<Success, any Error>) async -> Bool {
        if case .failure(let error) = await task.result { return error is CancellationError }
        return false
    }

    @Test("a cancelled connect does not wait for it, and a late answer is dropped")
    func connect() async {
        let resolver = StubbornResolver(found: [.loopback(.ipv4, port: 9)])
        let client: some ClientEndpoint = .tcp(host: "name.example", port: 9)
        let connecting = Task { try await client.connect(in: context(resolver)) }
        await resolver.whenAsked()
        connecting.cancel()
        #expect(await isCancelled(connecting))
        resolver.answer()
    }

    @Test("a connect that is cancelled before it asks does not wait for it")
    func cancelledBefore() async {
        let resolver = StubbornResolver()
        let connecting = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await resolver.answer(for: "name.example", port: 9, family: .ipv4)
        }
        #expect(await isCancelled(connecting))
    }

    @Test("a time limit does not wait for it", arguments: [true, false])
    func timeout(ofEndpoint: Bool) async throws {
        let resolver = StubbornResolver()
        let limit = Duration.milliseconds(10)
        var client = TCPClientEndpoint(host: "name.example", port: 9)
        if ofEndpoint { client.timeout = limit }
        let endpoint = client
        if ofEndpoint {
            let error = await #expect(throws: EndpointError.self) {
                try await endpoint.connect(in: context(resolver))
            }
            #expect(error?.code == .timedOut)
        } else {
            await #expect(throws: TimeoutError.self) {
                try await withTimeout(limit) { try await endpoint.connect(in: context(resolver)) }
            }
        }
        resolver.answer()
    }

    @Test("a connection by one family does not wait for the answer in the other")
    func otherFamily() async throws {
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen()
        let address = try #require(listener.addresses.first)
        let resolver = StubbornResolver(in: [.ipv6], found: [address])
        let client: some ClientEndpoint = .tcp(host: "name.example", port: address.port ?? 0)
        await (try client.connect(in: context(resolver))).close()
        await listener.close()
        resolver.answer()
    }

    @Test("a cancelled listen does not wait for it")
    func listen() async {
        let resolver = StubbornResolver()
        let server: some ServerEndpoint = .tcp(port: 0, interface: "name.example")
        let listening = Task { try await server.listen(in: context(resolver)) }
        await resolver.whenAsked()
        listening.cancel()
        #expect(await isCancelled(listening))
        resolver.answer()
    }
}
