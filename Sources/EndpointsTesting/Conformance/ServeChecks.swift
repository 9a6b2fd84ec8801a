// Checks of `serve`: the scope of the handlers, and its ends.

import Endpoints
import Synchronization

let serveChecks: [ConformanceCheck<ListenerSetting>] = [
    ConformanceCheck("a handler's end closes its connection") { setting in
        async let served: Void = setting.listener.serve { connection in
            try await connection.write("bye".utf8)
        }
        let client = try await setting.connect()
        let heard = try await readAll(client)
        try expect(heard == Array("bye".utf8), "the client hears \(heard)")
        await client.close()
        await setting.listener.close()
        try await served
    },
    ConformanceCheck("a handler's error ends its own connection only") { setting in
        async let served: Void = setting.listener.serve { connection in
            let byte = try await connection.read(exactly: 1)
            if byte == [0] { throw Unexpected("as asked") }
            try await connection.write(byte)
        }
        let (good, bad) = (try await setting.connect(), try await setting.connect())
        try await bad.write([0])
        let end = await outcome { try await bad.read(atMost: 1) }
        try expect(end.bytes == nil, "the bad one gets no answer")
        try await good.write([1])
        try expect(try await good.read(exactly: 1) == [1], "the good one gets its answer")
        await good.close()
        await bad.close()
        await setting.listener.close()
        try await served
    },
    ConformanceCheck("no more connections are served at once than were asked for") { setting in
        let live = Tally()
        async let served: Void = setting.listener.serve(maxConnections: 2) { connection in
            live.enter()
            defer { live.leave() }
            try await connection.write(try await connection.read(exactly: 1))
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<10 {
                group.addTask {
                    try await setting.client.withConnection { connection in
                        try await connection.write([UInt8(number)])
                        _ = try await connection.read(exactly: 1)
                    }
                }
            }
            try await group.waitForAll()
        }
        await setting.listener.close()
        try await served
        try expect(live.most <= 2, "\(live.most) were")
    },
    ConformanceCheck("a drain waits for the handlers") { setting in
        let begun = Signal()
        async let served: Void = setting.listener.serve { connection in
            begun.send()
            try await connection.write(try await connection.read(exactly: 1))
        }
        let client = try await setting.connect()
        await begun.wait()
        async let drained = setting.listener.drain(within: .seconds(30))
        for _ in 0..<20 { await Task.yield() }
        try await client.write([5])
        try expect(try await client.read(exactly: 1) == [5], "the answer is finished")
        await client.close()
        let result = await drained
        try await served
        // A handler that ended before the drain began is not counted.
        try expect(result.finished <= 1 && result.aborted == 0, "none is aborted, not \(result)")
    },
    ConformanceCheck("a drain aborts what takes too long") { setting in
        let begun = Signal()
        async let served: Void = setting.listener.serve { connection in
            begun.send()
            _ = try await connection.read(atMost: 1)
        }
        let client = try await setting.connect()
        await begun.wait()
        let result = await setting.listener.drain(within: .milliseconds(1))
        try await served
        try expect(result.aborted == 1, "1 aborted, not \(result)")
        let end = await outcome { try await client.read(atMost: 1) }
        try expect(end.bytes == nil, "the client gets nothing")
        await client.close()
    },
    ConformanceCheck("a cancelled drain aborts the rest at once") { setting in
        let begun = Signal()
        async let served: Void = setting.listener.serve { connection in
            begun.send()
            _ = try await connection.read(atMost: 1)
        }
        let client = try await setting.connect()
        await begun.wait()
        let draining = Task { await setting.listener.drain(within: .seconds(3600)) }
        for _ in 0..<20 { await Task.yield() }
        draining.cancel()
        let result = await draining.value
        try await served
        try expect(result.aborted == 1, "1 aborted, not \(result)")
        await client.close()
    },
    ConformanceCheck("cancelling serve closes the listener and the connections") { setting in
        let begun = Signal()
        let serving = Task {
            try await setting.listener.serve { connection in
                begun.send()
                _ = try await connection.read(atMost: 1)
            }
        }
        let client = try await setting.connect()
        await begun.wait()
        serving.cancel()
        let end = await outcome { try await client.read(atMost: 1) }
        try expect(end.bytes == nil, "the client reads the end, not \(end)")
        await client.close()
        try await expectCancelled("serve", serving)
        var iterator = setting.listener.makeAsyncIterator()
        try expect(await iterator.next() == nil, "the listener is closed")
    },
]

/// How many are inside, and how many were at most.
private final class Tally: Sendable {
    private let now = Atomic<Int>(0)
    private let peak = Atomic<Int>(0)

    var most: Int { peak.load(ordering: .acquiring) }

    func enter() {
        let count = now.add(1, ordering: .acquiringAndReleasing).newValue
        _ = peak.max(count, ordering: .acquiringAndReleasing)
    }

    func leave() { now.subtract(1, ordering: .acquiringAndReleasing) }
}

/// Something has happened.
private final class Signal: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func send() { continuation.yield() }
    func wait() async { for await _ in stream { return } }
}
