import Endpoints

/// What the steps of the demonstration came to, a line each.
final class DemoReport: Sendable {
    private struct State {
        var done = 0
        var failed = 0
    }
    private let state = Lock(State())
    private let isJSON: Bool
    private let output: LineOutput
    private let start = ContinuousClock.now

    init(isJSON: Bool, to output: LineOutput) {
        self.isJSON = isJSON
        self.output = output
    }

    /// Runs a step of at most ten seconds, and tells of it.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - kind: The kind that it shows.
    ///   - body: Answers what happened, in a few words.
    /// - Returns: Whether it succeeded.
    /// - Throws: `CancellationError`, and what writing the line throws.
    func step(
        _ name: String,
        of kind: String,
        _ body: nonisolated(nonsending) () async throws -> String
    ) async throws -> Bool {
        let start = ContinuousClock.now
        do {
            let what = try await withTimeout(.seconds(10), body)
            try tell(kind, name, isDone: true, what, .now - start)
            return true
        } catch let error as ExitStatus {
            throw error
        } catch let error as CancellationError {
            throw error
        } catch let error as DemoUnavailable {
            throw error
        } catch {
            try tell(kind, name, isDone: false, "\(error)", .now - start)
            return false
        }
    }

    /// Tells that a kind cannot be shown on this host.
    func skip(_ kind: String, because reason: String) throws {
        if isJSON {
            try output.write(
                JSONValue.object([
                    ("event", .string("skipped")), ("kind", .string(kind)),
                    ("reason", .string(reason)),
                ]).description
            )
        } else {
            try output.write("\(Self.padded(kind, 8))skipped: \(reason)")
        }
    }

    /// Says how many steps there were.
    ///
    /// - Throws: ``ExitStatus/failed`` if one of them failed.
    func finish() throws {
        let (done, failed) = state.withLock { ($0.done, $0.failed) }
        let duration = ContinuousClock.now - start
        if isJSON {
            try output.write(
                JSONValue.object([
                    ("event", .string("finished")), ("done", .integer(done)),
                    ("failed", .integer(failed)), ("seconds", .seconds(duration)),
                ]).description
            )
        } else {
            let outcome =
                failed == 0
                ? "all \(done) steps done" : "\(failed) of \(done + failed) steps failed"
            try output.write("\(outcome) in \(Self.milliseconds(duration))")
        }
        if failed > 0 { throw ExitStatus.failed }
    }

    private func tell(
        _ kind: String,
        _ name: String,
        isDone: Bool,
        _ what: String,
        _ duration: Duration
    ) throws {
        state.withLock { state in
            if isDone { state.done += 1 } else { state.failed += 1 }
        }
        if isJSON {
            try output.write(
                JSONValue.object([
                    ("event", .string("step")), ("kind", .string(kind)), ("step", .string(name)),
                    ("done", .boolean(isDone)), ("seconds", .seconds(duration)),
                    ("what", .string(what)),
                ]).description
            )
            return
        }
        let outcome = isDone ? what : "FAILED: \(what)"
        let columns = Self.padded(kind, 8) + Self.padded(name, 17)
        try output.write(columns + Self.padded(Self.milliseconds(duration), 11) + outcome)
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(width - text.count, 1))
    }

    private static func milliseconds(_ duration: Duration) -> String {
        let tenths = duration / .microseconds(100)
        let rounded = Int(tenths.rounded())
        return "\(rounded / 10).\(rounded % 10) ms"
    }
}

/// A step did not come out as it should.
struct DemoFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
