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

extension Listener {
    /// Ends it as a socket that is broken would.
    fileprivate func fail() async {
        await withCheckedContinuation { continuation in
            loop.run {
                self.die(of: EndpointError(errno: EBADF, operation: "accept"))
                continuation.resume()
            }
        }
    }
}

@Suite("Forms of serving", .timeLimit(.minutes(1)))
struct ServingFormsTests {
    @Test("an endpoint listens and serves in one, until it is cancelled", .tags(.cancellation))
    func endpoint() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.sock")
        let stopped = Tally()
        let serving = Task {
            let server: some ServerEndpoint = .unix(path: path)
            try await server.serve { connection in
                do { try await echo(connection) } catch is CancellationError { stopped.add() }
            }
        }
        while directory.entries.isEmpty { await Task.yield() }
        let client = try await connectWhenReady(UNIXClientEndpoint(path: path))
        try await client.write([1, 2, 3])
        #expect(try await client.read(exactly: 3) == [1, 2, 3])
        serving.cancel()
        #expect(await isCancelled { try await serving.value })
        #expect(stopped.value == 1)
        #expect(try await client.read(atMost: 1) == nil)
        #expect(directory.entries.isEmpty)
        await client.close()
    }

    /// The path is there a moment before the socket listens.
    private func connectWhenReady(_ endpoint: UNIXClientEndpoint) async throws -> Connection {
        while true {
            do { return try await endpoint.connect() } catch let error as EndpointError
                where error.code == .connectionRefused
            { await Task.yield() }
        }
    }

    @Test("an endpoint that cannot listen says so, and nobody is served")
    func unlistenable() async throws {
        let directory = try TemporaryDirectory()
        let server: some ServerEndpoint = .unix(path: directory.file("missing/a.sock"))
        let found = await code {
            try await server.serve { _ in Issue.record("nobody is served") }
        }
        #expect(found == .notFound)
        #expect(directory.entries.isEmpty)
    }

    @Test("an endpoint serves no more at once than it is told")
    func limit() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.sock")
        let live = Tally()
        let most = Tally()
        let serving = Task {
            let server: some ServerEndpoint = .unix(path: path)
            try await server.serve(maxConnections: 2) { connection in
                live.add()
                if live.value > most.value { most.add(live.value - most.value) }
                defer { live.add(-1) }
                try await echo(connection)
            }
        }
        while directory.entries.isEmpty { await Task.yield() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for byte in UInt8(0)..<10 {
                group.addTask {
                    let client = try await connectWhenReady(UNIXClientEndpoint(path: path))
                    try await client.write([byte])
                    #expect(try await client.read(exactly: 1) == [byte])
                    await client.close()
                }
            }
            try await group.waitForAll()
        }
        #expect((1...2).contains(most.value))
        serving.cancel()
        #expect(await isCancelled { try await serving.value })
    }

    @Test("several listeners, of any kinds: done when all of them are closed, and not before")
    func severalClosed() async throws {
        let directory = try TemporaryDirectory()
        let unix: some ServerEndpoint = .unix(path: directory.file("a.sock"))
        let second = try await unix.listen()
        try await withListener { first in
            let isDone = Tally()
            let serving = Task {
                try await serve(on: [first.listener, second], echo)
                isDone.add()
            }
            let one = try await first.connect()
            let two = try await second.clientEndpoints[0].connect()
            for client in [one, two] {
                try await client.write([3])
                #expect(try await client.read(exactly: 1) == [3])
            }
            await first.listener.close()
            try await two.write([4])
            #expect(try await two.read(exactly: 1) == [4])
            await second.close()
            // The handlers go on.
            for client in [one, two] {
                try await client.write([5])
                #expect(try await client.read(exactly: 1) == [5])
                #expect(isDone.value == 0)
            }
            await one.close()
            await two.close()
            try await serving.value
        }
        try await serve(on: []) { _ in }
    }

    @Test("of several listeners the first that fails ends the others, with its error")
    func severalFailed() async throws {
        try await withListener { first in
            try await withListener { second in
                let stopped = Tally()
                let serving = Task {
                    try await serve(on: [first.listener, second.listener]) { connection in
                        try await connection.write([1])
                        do { _ = try await connection.read(atMost: 1) } catch is CancellationError {
                            stopped.add()
                        }
                    }
                }
                let client = try await first.connect()
                _ = try await client.read(exactly: 1)
                await second.listener.fail()
                let error = await #expect(throws: EndpointError.self) { try await serving.value }
                #expect(error?.systemError?.code == EBADF)
                #expect(stopped.value == 1)
                #expect(await code { try await first.connect() } == .connectionRefused)
                #expect(await second.listener.failure?.systemError?.code == EBADF)
                await client.close()
            }
        }
    }

    @Test("a listener that fails ends serve with its error when the handlers have ended")
    func failed() async throws {
        try await withListener { listening in
            let serving = Task { try await listening.listener.serve(echo) }
            let client = try await listening.connect()
            try await client.write([1])
            _ = try await client.read(exactly: 1)
            await listening.listener.fail()
            try await client.write([2])
            #expect(try await client.read(exactly: 1) == [2])
            await client.close()
            let error = await #expect(throws: EndpointError.self) { try await serving.value }
            #expect(error?.systemError?.code == EBADF)
        }
    }
}
