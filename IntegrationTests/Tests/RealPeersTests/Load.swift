// Many short connections to one server, and what became of each.

import Endpoints
import Glibc
import Synchronization
import Testing

/// Connections that are made one after the other by a number of workers at once.
final class Load: Sendable {
    struct Counts {
        /// Connections whose answer came to its end.
        var whole = 0
        /// Those that got the beginning of an answer and not its end.
        var cut = 0
        /// Those that got nothing, by what they got instead.
        var failures: [String: Int] = [:]
        /// Answers by the number of the process that gave them.
        var processes: [Int32: Int] = [:]

        var total: Int { whole + cut + failures.values.reduce(0, +) }
    }
    private struct State {
        var counts = Counts()
        var begun = 0
        var waiters: [(Int, CheckedContinuation<Void, Never>)] = []
    }
    private let state = Mutex(State())
    private let client: any ClientEndpoint
    private let limit: Int
    /// How many bytes an answer has between its two lines.
    private let size: Int
    private let context = EndpointContext(loops: EventLoopGroup(loopCount: 1))

    init(to client: any ClientEndpoint, limit: Int, size: Int = 0) {
        self.client = client
        self.limit = limit
        self.size = size
    }

    var counts: Counts { state.withLock { $0.counts } }

    /// Makes the connections, until there were as many as the limit says or one is refused.
    func run(workers: Int) async {
        await withDiscardingTaskGroup { group in
            for _ in 0..<workers {
                group.addTask(executorPreference: self.context.loops.loops[0]) {
                    while self.begin() { await self.connectOnce() }
                }
            }
        }
        finish()
        await context.loops.shutdown()
    }

    /// Returns when so many connections are over, or all.
    func reaches(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.counts.total >= count { return true }
                state.waiters.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    private func begin() -> Bool {
        state.withLock { state in
            if state.begun >= limit || !state.counts.failures.isEmpty { return false }
            state.begun += 1
            return true
        }
    }

    private func connectOnce() async {
        var answer: [UInt8] = []
        var failure: String?
        do {
            let connection = try await client.connect(in: context)
            do {
                try await connection.write([1])
                while let chunk = try await connection.read(atMost: 65_536) { answer += chunk }
            } catch { failure = "\(code(of: error))" }
            await connection.close()
        } catch { failure = "connect: \(code(of: error))" }
        note(answer, failure)
    }

    private func code(of error: any Error) -> String {
        (error as? EndpointError)?.code.description ?? "\(error)"
    }

    private func note(_ answer: [UInt8], _ failure: String?) {
        let lines = answer.split(separator: UInt8(ascii: "\n"), maxSplits: 1)
        let process = lines.first.flatMap { Int32(String(decoding: $0, as: UTF8.self)) }
        let isWhole =
            failure == nil && answer.suffix(4) == Array("end\n".utf8)[...]
            && lines.last?.count == size + 4
        change { counts in
            if isWhole {
                counts.whole += 1
                counts.processes[process ?? 0, default: 0] += 1
            } else if !answer.isEmpty {
                counts.cut += 1
            } else {
                counts.failures[failure ?? "no answer", default: 0] += 1
            }
        }
    }

    private func change(_ body: (inout Counts) -> Void) {
        let met = state.withLock { state in
            body(&state.counts)
            let total = state.counts.total
            let met = state.waiters.filter { $0.0 <= total }
            state.waiters.removeAll { $0.0 <= total }
            return met
        }
        for (_, continuation) in met { continuation.resume() }
    }

    private func finish() {
        let waiters = state.withLock { state in
            defer { state.waiters = [] }
            return state.waiters
        }
        for (_, continuation) in waiters { continuation.resume() }
    }
}
