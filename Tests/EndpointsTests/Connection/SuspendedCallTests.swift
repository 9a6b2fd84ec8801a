import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Suspended calls", .timeLimit(.minutes(1)))
struct SuspendedCallTests {
    @Test("what each call waits for, and since when, is known while it waits and no longer")
    func record() async throws {
        try await withPair(.unix) { a, b in
            let before = a.loop.now
            let bytes = numberedBytes(2_000_000)
            let reader = Task { try await a.read(atMost: 1) }
            let writer = Task { try await a.write(bytes) }
            try await a.untilWriting()
            let nextWriter = Task { try await a.write([7]) }
            let watcher = Task { try await a.ended() }
            try await a.until { $0.suspendedCalls.count == 4 }
            let calls = await a.perform { $0.suspendedCalls }
            let waits: Set<SuspendedCall.Operation> = [.read, .write, .writeTurn, .ended]
            #expect(Set(calls.map(\.operation)) == waits)
            let slack: UInt64 = 20_000_000
            for call in calls {
                #expect(call.since &+ slack > before)
                #expect(call.since <= a.loop.now)
            }
            try await b.write([1])
            _ = try await reader.value
            _ = try await b.read(exactly: bytes.count + 1)
            try await writer.value
            try await nextWriter.value
            watcher.cancel()
            _ = await watcher.result
            #expect(await a.perform { $0.suspendedCalls.isEmpty })
        }
    }

    @Test("a close that waits for a writer, and one that waits for that close")
    func closing() async throws {
        try await withPair(.unix) { a, b in
            let writer = Task { try await a.write(numberedBytes(2_000_000)) }
            try await a.untilWriting()
            let closers = [Task { await a.close() }, Task { await a.close() }]
            try await a.until { $0.suspendedCalls.count == 3 }
            let waits: Set<SuspendedCall.Operation> = [.write, .writeTurn, .close]
            #expect(Set(await a.perform { $0.suspendedCalls.map(\.operation) }) == waits)
            _ = try await b.read(exactly: 2_000_000)
            try await writer.value
            for closer in closers { await closer.value }
            #expect(await a.perform { $0.suspendedCalls.isEmpty })
        }
    }

    @Test("what a listener's callers wait for")
    func listening() async throws {
        try await withListener { listening in
            let listener = listening.listener
            let accepting = Task { await listener.accept() }
            while await listener.suspendedCalls.map(\.operation) != [.accept] {
                await Task.yield()
            }
            let client = try await listening.connect()
            let connection = await accepting.value
            #expect(await listener.suspendedCalls.isEmpty)
            let serving = Task {
                try await listener.serve(maxConnections: 1) { _ = try await $0.ended() }
            }
            let served = try await listening.connect()
            while await listener.suspendedCalls.map(\.operation) != [.place] {
                await Task.yield()
            }
            await listener.close()
            while await listener.suspendedCalls.map(\.operation) != [.handlers] {
                await Task.yield()
            }
            await served.close()
            try await serving.value
            #expect(await listener.suspendedCalls.isEmpty)
            await connection?.close()
            await client.close()
        }
    }
}
