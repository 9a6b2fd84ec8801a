// How much one task may move on its loop before the others there have their turn.

import CEndpoints
import EventLoop
import Testing

@testable import EndpointsCore

/// Always has bytes, and room for bytes.
private final class EndlessTransport: BaseTransport, Transport {
    private let step: Int

    init(step: Int) { self.step = step }

    var base: BaseTransport { self }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        let count = min(step, buffer.count)
        buffer.baseAddress?.initializeMemory(as: UInt8.self, repeating: 7, count: count)
        return .moved(count)
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> Transfer { .moved(min(step, bytes.count)) }
    func write(_ parts: UnsafeBufferPointer<iovec>) -> Transfer { .moved(0) }
    func closeWrite() -> Transfer { .moved(0) }
    func end(after readiness: Readiness) -> ConnectionEnd? { nil }
}

@Suite("Work on a loop", .timeLimit(.minutes(1)))
struct WorkBudgetTests {
    @Test(
        "a task that moves bytes without end lets others run after 128 calls or about 256 KiB",
        arguments: [(1, true), (1, false), (98_304, true), (98_304, false)]
    )
    func turns(step: Int, isReading: Bool) async throws {
        let group = EventLoopGroup(loopCount: 1)
        let loop = group.next()
        let address = SocketAddress(named: "endless")
        let connection = Connection(
            EndlessTransport(step: step),
            facts: ConnectionFacts(localAddress: address, remoteAddress: address),
            origin: ConnectionOrigin(endpoint: "endless", logger: quietLogger),
            on: loop
        )
        let mover = Task(executorPreference: loop) {
            try await connection.perform { connection in
                var buffer = ReadBuffer()
                let bytes = [UInt8](repeating: 7, count: step)
                while !Task.isCancelled {
                    if isReading {
                        try await connection.read(into: &buffer)
                        buffer.removeAll()
                    } else {
                        try await connection.write(bytes)
                    }
                }
            }
        }
        let other = Task(executorPreference: loop) {
            await connection.perform { connection in
                let gate = Gate(loop, of: nil)
                var moved: [Int] = []
                while moved.count < 50 {
                    let before = connection.bytesRead + connection.bytesWritten
                    await gate.pass()
                    moved.append(connection.bytesRead + connection.bytesWritten - before)
                }
                return moved
            }
        }
        let moved = await other.value
        mover.cancel()
        _ = try? await mover.value
        connection.abort()
        await group.shutdown()
        let most = step == 1 ? 128 : 262_144 + step
        #expect(moved.allSatisfy { $0 <= most })
        #expect(moved.contains { $0 > 0 })
    }
}
