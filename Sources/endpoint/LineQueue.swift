// Events and log lines, on their way to whoever reads them. A reader may be slow, stop reading for a
// while, or go away, as a log collector does that restarts. A write then blocks or fails, and neither
// may happen to a loop, nor keep a server from serving.
//
// So a line is queued, and a queue of Dispatch's, whose thread may block, writes it. The lines that
// wait are bounded in bytes. What finds no room, or cannot be written, is counted, and the count is a
// line of its own, written before the next line that gets through: the reader sees where there is a
// gap, and how large it is.

import Dispatch
import Endpoints

/// A descriptor's lines, written in the order in which they were added.
final class LineQueue: Sendable {
    static let standardOutput = LineQueue(to: .standardOutput)
    static let standardError = LineQueue(to: .standardError)

    private enum Entry {
        case line(String)
        case lost(Int)
    }
    private struct State {
        var entries: [Entry] = []
        var size = 0
        /// Lines that were lost, and not reported yet.
        var lost = 0
        /// Whether the last write failed: the reader is gone until a line gets through.
        var isFailing = false
        /// Whether the writer has been called.
        var isWriting = false
        /// Lines that were written or given up.
        var done = 0
        var lossLine: @Sendable (Int) -> String = { "endpoint: \($0) lines lost" }
        var onFailure: @Sendable (any Error) -> Void = { _ in }
    }
    private let output: LineOutput
    private let limit: Int
    private let state = Lock(State())
    private let writer: DispatchQueue
    /// Whether a line was cut off half-way; the writer's.
    private let isCut = Lock(false)

    /// How long ``flush()`` waits for a reader that takes nothing.
    private static let patience = Duration.seconds(1)

    /// Makes a queue.
    ///
    /// - Parameters:
    ///   - output: Where the lines go.
    ///   - limit: How many bytes may wait; 4 MiB unless told.
    init(to output: LineOutput, limit: Int = 4 << 20) {
        self.output = output
        self.limit = limit
        writer = DispatchQueue(label: "endpoint.\(output.name)")
    }

    /// Sets how a loss is reported, and what is told of the first write that fails after one that did
    /// not.
    func report(
        losses line: @escaping @Sendable (Int) -> String,
        failures: @escaping @Sendable (any Error) -> Void = { _ in }
    ) {
        state.withLock { state in
            state.lossLine = line
            state.onFailure = failures
        }
    }

    /// Adds a line; never blocks.
    func add(_ line: String) {
        let mustCall = state.withLock { state in
            let size = line.utf8.count + 1
            guard size <= limit - state.size else {
                state.lost += 1
                return false
            }
            Self.queueLoss(&state)
            state.entries.append(.line(line))
            state.size += size
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if mustCall { writer.async { self.writeAll() } }
    }

    /// Waits until all lines are written, for as long as the reader takes some.
    func flush() async {
        var before: Int
        repeat {
            before = done
            let (ends, end) = AsyncStream.makeStream(of: Void.self)
            // Behind the writer, if that was called.
            writer.async { end.finish() }
            let isWritten: Void? = try? await withTimeout(Self.patience) {
                for await _ in ends {}
                try Task.checkCancellation()
            }
            if isWritten != nil { return }
        } while done != before
    }

    private var done: Int { state.withLock { $0.done } }

    private static func queueLoss(_ state: inout State) {
        guard state.lost > 0 else { return }
        state.entries.append(.lost(state.lost))
        state.lost = 0
    }

    private func writeAll() {
        while let batch = next() {
            for entry in batch { write(entry) }
        }
    }

    /// All that waits; `nil` if that is nothing, and then the writer must be called again.
    private func next() -> [Entry]? {
        state.withLock { state in
            // There may never be another line. A reader that is gone is not asked again and again.
            if state.entries.isEmpty && !state.isFailing { Self.queueLoss(&state) }
            guard !state.entries.isEmpty else {
                state.isWriting = false
                return nil
            }
            defer { state.entries = [] }
            return state.entries
        }
    }

    private func write(_ entry: Entry) {
        var failure: (any Error)?
        do { try write(text(of: entry)) } catch { failure = error }
        let report = state.withLock { state in
            state.done += 1
            var count = 1
            switch entry {
            case .line(let line): state.size -= line.utf8.count + 1
            case .lost(let lost): count = lost
            }
            let wasFailing = state.isFailing
            state.isFailing = failure != nil
            guard failure != nil else { return nil as (@Sendable (any Error) -> Void)? }
            state.lost += count
            return wasFailing ? nil : state.onFailure
        }
        if let failure { report?(failure) }
    }

    private func text(of entry: Entry) -> String {
        switch entry {
        case .line(let line): line
        case .lost(let count): state.withLock { $0.lossLine }(count)
        }
    }

    private func write(_ line: String) throws {
        // The next reader must not take the rest of a line for the beginning of another.
        var bytes = Array((isCut.withLock { $0 } ? "\n" : "").utf8)[...]
        bytes += Array("\(line)\n".utf8)
        let count = bytes.count
        defer {
            let left = bytes.count
            if left < count { isCut.withLock { $0 = left > 0 } }
        }
        try output.write(&bytes)
    }
}

extension LineQueue {
    /// Writes what is left of all queues, before the process ends.
    static func flushAll() async {
        await standardOutput.flush()
        await standardError.flush()
    }
}

/// The log's lines, on standard error.
struct LogStream: TextOutputStream, Sendable {
    mutating func write(_ text: String) {
        LineQueue.standardError.add(text.hasSuffix("\n") ? String(text.dropLast()) : text)
    }
}
