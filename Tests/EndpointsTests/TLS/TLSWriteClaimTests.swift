// A sealed record cannot be taken back, so its bytes must stay with the write that sealed them. These
// tests put another task's call exactly between the attempt that sealed and the wait that follows.

import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Writes over TLS that find no room", .certificates, .timeLimit(.minutes(1)))
struct TLSWriteClaimTests {
    private static func frame(_ mark: UInt8) -> [UInt8] { [UInt8](repeating: mark, count: 500) }

    /// Has two tasks called on the client's loop, one after the other, while its socket is full.
    ///
    /// The first is isolated to the connection and prefers no executor, so it is queued anew, behind the
    /// second, between its attempt and its wait.
    private func whileFull(
        _ first: @escaping @Sendable (isolated Connection) async throws -> Void,
        _ second: @escaping @Sendable (Connection, Task<Void, any Error>) async throws -> Void,
        _ body: (Connection, Connection, [Task<Void, any Error>]) async throws -> Void
    ) async throws {
        try await withPair(.unix) { near, far in
            let (client, server) = try await TLSTesting.upgrade(near, far)
            let tasks = await client.perform { client in
                client.base.isWritable = false
                let one = Task { try await first(client) }
                let two = Task(executorPreference: client.loop) { [client = client as Connection] in
                    try await second(client, one)
                }
                return [one, two]
            }
            try await body(client, server, tasks)
        }
    }

    @Test("the bytes of each write arrive once, in the order of the calls")
    func order() async throws {
        try await whileFull {
            try await $0.write(Self.frame(1))
        } _: { client, _ in
            try await client.write(Self.frame(2))
        } _: { client, server, tasks in
            for task in tasks { try await task.value }
            try await client.write(Self.frame(3))
            let expected = Self.frame(1) + Self.frame(2) + Self.frame(3)
            #expect(try await server.read(exactly: expected.count) == expected)
        }
    }

    @Test("a half-close that comes next waits for the write before it")
    func halfClose() async throws {
        try await whileFull {
            try await $0.write(Self.frame(1))
        } _: { client, _ in
            try await client.closeWrite()
        } _: { _, server, tasks in
            for task in tasks { try await task.value }
            #expect(try await server.read(exactly: 500) == Self.frame(1))
            #expect(try await server.read(atMost: 1) == nil)
        }
    }

    @Test("a write cancelled after its bytes were sealed ends the stream", .tags(.cancellation))
    func cancelled() async throws {
        try await whileFull {
            try await $0.write(Self.frame(1))
        } _: { _, first in
            first.cancel()
        } _: { client, _, tasks in
            #expect(await isCancelled { try await tasks[0].value })
            #expect(await code { try await client.write(Self.frame(3)) } == .partialWrite)
        }
    }

    @Test(
        "a half-close cancelled after its close_notify was sealed ends the stream, and reading goes on",
        .tags(.cancellation)
    )
    func cancelledHalfClose() async throws {
        try await withPair(.unix) { near, far in
            let (client, server) = try await TLSTesting.upgrade(near, far)
            let closing = await client.perform { client in
                client.base.isWritable = false
                return Task { try await client.closeWrite() }
            }
            // Queued behind the attempt, and before the event that says that there is room.
            await client.perform { _ in closing.cancel() }
            let wasCancelled = await isCancelled { try await closing.value }
            #expect(await code { try await client.write([1]) } == .closed)
            if wasCancelled { try await client.closeWrite() }
            try await server.write("still".utf8)
            #expect(try await client.read(exactly: 5) == Array("still".utf8))
            #expect(try await server.read(atMost: 1) == nil)
        }
    }
}
