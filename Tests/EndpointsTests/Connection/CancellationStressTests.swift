// Every kind of suspended call, cancelled at every moment of its life: before it begins, while it
// waits, at the very moment at which what it waits for comes, and after. Which moment a cancellation
// hit shows in what became of the call; the tests assert that each did. What came through must be
// what was sent: no byte lost, none doubled. It runs in a process of its own, so that what is left
// can be counted.

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

/// Something whose live instances are counted: a task that is never ended keeps its own.
private final class Canary: Sendable {
    static let live = Tally()

    init() { Self.live.add() }
    deinit { Self.live.add(-1) }
}

/// What became of calls, by the moment of their cancellation.
private final class Phases: Sendable {
    let before = Tally()
    let waiting = Tally()
    let tooLate = Tally()
    let broken = Tally()
}

@Suite("Cancellation, thousands of times", .tags(.cancellation), .timeLimit(.minutes(1)))
struct CancellationStressTests {
    @Test("reads: no byte is lost or doubled, whoever is cancelled when")
    func reads() async {
        await #expect(processExitsWith: .success) {
            // What the runtime opens once and keeps is there before the count.
            try await stream(seed: 0, of: 1000, Phases())
            let start = openDescriptorCount()
            let phases = Phases()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for seed in 0..<8 {
                    group.addTask { try await stream(seed: seed, phases) }
                }
                try await group.waitForAll()
            }
            #expect(phases.before.value > 0)
            #expect(phases.waiting.value > 100)
            #expect(phases.tooLate.value > 100)
            #expect(Canary.live.value == 0)
            #expect(openDescriptorCount() <= start)
        }
    }

    @Test(
        "writes, waits for a turn, closeWrite, ended: whole or not at all, and nothing is left behind"
    )
    func writes() async {
        await #expect(processExitsWith: .success) {
            // What the runtime opens once and keeps is there before the count.
            try await stream(seed: 0, of: 1000, Phases())
            let start = openDescriptorCount()
            let phases = Phases()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for seed in 0..<6 {
                    group.addTask {
                        for turn in 0..<25 { try await writers(seed: seed * 100 + turn, phases) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(phases.before.value > 0)
            #expect(phases.waiting.value > 50)
            #expect(phases.tooLate.value > 50)
            #expect(phases.broken.value > 0)
            #expect(Canary.live.value == 0)
            #expect(openDescriptorCount() <= start)
        }
    }

    @Test("accepting, connecting, serving: every connection ends, every descriptor comes back")
    func listening() async {
        await #expect(processExitsWith: .success) {
            _ = try await withListener { listening in try await listening.connect().close() }
            let start = openDescriptorCount()
            let phases = Phases()
            for seed in 0..<40 { try await connects(seed: seed, phases) }
            #expect(phases.before.value > 0)
            #expect(phases.waiting.value > 0)
            #expect(phases.tooLate.value > 0)
            #expect(Canary.live.value == 0)
            #expect(openDescriptorCount() <= start)
        }
    }
}

/// One stream of numbered bytes, read by tasks most of which are cancelled.
private func stream(seed: Int, of total: Int = 20_000, _ phases: Phases) async throws {
    try await withPair(seed % 2 == 0 ? .tcp : .unix) { a, b in
        let taken = Tally()
        let writer = Task(executorPreference: seed % 3 == 0 ? a.loop : nil) {
            var random = SplitMix(seed: UInt64(seed))
            var sent = 0
            while sent < total {
                let count = min(Int.random(in: 1...60, using: &random), total - sent)
                try await a.write(numberedBytes(count, from: sent))
                sent += count
                // Not far ahead: the readers have to wait.
                while sent - taken.value > 60 { try await a.loop.sleep(for: .microseconds(100)) }
            }
            try await a.closeWrite()
        }
        var random = SplitMix(seed: UInt64(seed + 1000))
        var got: [UInt8] = []
        while got.count < total {
            let exact = Int.random(in: 1...60, using: &random)
            let form = Int.random(in: 0..<3, using: &random)
            let place = Bool.random(using: &random) ? b.loop : nil
            let left = total - got.count
            let canary = Canary()
            let reader = Task(executorPreference: place) {
                defer { withExtendedLifetime(canary) {} }
                switch form {
                case 0: return try await b.read(atMost: exact) ?? []
                case 1: return try await b.read(exactly: min(exact, left))
                default:
                    var buffer = ReadBuffer(capacity: exact)
                    let count = try await b.read(into: &buffer)
                    return buffer.prefix(count)
                }
            }
            let moment = Int.random(in: 0..<5, using: &random)
            if moment == 1 { await Task.yield() }
            if moment == 2 { await b.perform { _ in } }
            if moment == 3 { try await b.loop.sleep(for: .microseconds(100)) }
            var wasWaiting = false
            if moment < 4 {
                wasWaiting = await b.perform { b in
                    let isWaiting = b.isReading
                    reader.cancel()
                    return isWaiting
                }
            }
            do {
                let bytes = try await reader.value
                got += bytes
                taken.add(bytes.count)
                if moment < 4 { phases.tooLate.add() }
            } catch is CancellationError {
                if wasWaiting { phases.waiting.add() } else { phases.before.add() }
            }
        }
        try await writer.value
        #expect(got == numberedBytes(total))
        #expect(try await b.read(atMost: 1) == nil)
        #expect(await b.perform { $0.readObstacles.isEmpty })
    }
}

/// Writers that stand in line and are cancelled; each block has a mark of its own.
private func writers(seed: Int, _ phases: Phases) async throws {
    try await withPair(.unix) { a, b in
        let size = 60_000
        var random = SplitMix(seed: UInt64(seed))
        let drainer = Task {
            var bytes: [UInt8] = []
            while let chunk = try? await b.read(atMost: 50_000) { bytes += chunk }
            return bytes
        }
        let watcher = Task { try await a.ended() }
        var tasks: [Task<Void, any Error>] = []
        for mark in 1...20 {
            let canary = Canary()
            let place = Bool.random(using: &random) ? a.loop : nil
            tasks.append(
                Task(executorPreference: place) {
                    defer { withExtendedLifetime(canary) {} }
                    try await a.write([UInt8](repeating: UInt8(mark), count: size))
                }
            )
        }
        var cancelled: Set<Int> = []
        for mark in 1...20 where Int.random(in: 0..<3, using: &random) == 0 {
            if Bool.random(using: &random) { await a.perform { _ in } }
            tasks[mark - 1].cancel()
            cancelled.insert(mark)
        }
        var whole: Set<Int> = []
        var isBroken = false
        for mark in 1...20 {
            do {
                try await tasks[mark - 1].value
                whole.insert(mark)
                if cancelled.contains(mark) { phases.tooLate.add() }
            } catch is CancellationError {
                #expect(cancelled.contains(mark))
                phases.waiting.add()
            } catch let error as EndpointError {
                #expect(error.code == .partialWrite)
                isBroken = true
            }
        }
        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await a.write([255])
        }
        if await isCancelled({ try await late.value }) { phases.before.add() }
        isBroken = await a.perform { $0.extras?.isBroken == true } || isBroken
        watcher.cancel()
        #expect(await isCancelled { try await watcher.value })
        let closer = Task { await a.close() }
        if seed % 5 == 0 { closer.cancel() }
        await closer.value
        let bytes = await drainer.value
        if isBroken { phases.broken.add() }
        // What arrived are whole blocks, in any order, but for the last after a broken write.
        var seen: Set<Int> = []
        var index = 0
        while index + size <= bytes.count {
            let mark = Int(bytes[index])
            #expect(seen.insert(mark).inserted)
            #expect(
                bytes[index..<index + size] == [UInt8](repeating: UInt8(mark), count: size)[...]
            )
            index += size
        }
        if !isBroken && seed % 5 != 0 {
            #expect(index == bytes.count)
            #expect(seen == whole)
        }
        #expect(await a.perform { $0.extras?.writersInLine.isEmpty } != false)
        #expect(await a.perform { $0.extras?.endWaiters.isEmpty } != false)
    }
}

/// Clients that are cancelled while they connect, and a server that is cancelled while it serves.
private func connects(seed: Int, _ phases: Phases) async throws {
    try await withListener { listening in
        var random = SplitMix(seed: UInt64(seed))
        let serving = Task {
            let canary = Canary()
            defer { withExtendedLifetime(canary) {} }
            try await listening.listener.serve(maxConnections: 5, echo)
        }
        var clients: [Task<Void, any Error>] = []
        for index in 0..<20 {
            let canary = Canary()
            let client = Task {
                defer { withExtendedLifetime(canary) {} }
                let connection = try await listening.connect()
                do {
                    try await connection.write([1])
                    _ = try await connection.read(exactly: 1)
                    await connection.close()
                } catch {
                    connection.abort()
                    throw error
                }
            }
            clients.append(client)
            if Bool.random(using: &random) { await Task.yield() }
            if index % 3 == 0 { try await listening.listener.loop.sleep(for: .microseconds(50)) }
            if index % 2 == 0 { client.cancel() }
        }
        if seed % 2 == 0 { serving.cancel() }
        for (index, client) in clients.enumerated() {
            do {
                try await client.value
                phases.tooLate.add()
            } catch is CancellationError {
                #expect(index % 2 == 0)
                if index % 3 == 0 { phases.waiting.add() } else { phases.before.add() }
            } catch {
                // The server was cancelled first.
                #expect(seed % 2 == 0)
            }
        }
        serving.cancel()
        #expect(await isCancelled { try await serving.value })
    }
}
