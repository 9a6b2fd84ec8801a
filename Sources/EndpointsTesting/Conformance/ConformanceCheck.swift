// How checks run: each on a subject of its own, within a time limit, whatever the subject does. A kind
// that does not conform may also ignore cancellation; so when the time is over the subject is torn
// down (connections aborted, listeners closed), which ends every wait that honours anything at all.
// A check that does not end even then is left behind: it runs in a task that nobody must wait for.

import Endpoints
import EventLoop

/// One check of a suite, on a subject of its own.
struct ConformanceCheck<Subject: Sendable>: Sendable {
    /// What must hold, as a sentence in the present.
    let name: String
    let body: @Sendable (Subject) async throws -> Void

    init(_ name: String, _ body: @escaping @Sendable (Subject) async throws -> Void) {
        self.name = name
        self.body = body
    }
}

/// What a check expected did not hold.
struct Unexpected: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

func expect(_ condition: Bool, _ otherwise: @autoclosure () -> String) throws {
    if !condition { throw Unexpected(otherwise()) }
}

/// Runs `body`, which must throw an `EndpointError` with one of these codes.
func expectError(
    _ codes: EndpointError.Code...,
    from what: String,
    _ body: () async throws -> Void
) async throws {
    do { try await body() } catch let error as EndpointError where codes.contains(error.code) {
        return
    } catch {
        throw Unexpected("\(what) throws \(codes), not: \(error)")
    }
    throw Unexpected("\(what) throws \(codes), and did not throw")
}

/// Awaits a cancelled task, which must throw `CancellationError`.
func expectCancelled<Value: Sendable>(_ what: String, _ task: Task<Value, any Error>) async throws {
    do { _ = try await task.value } catch is CancellationError {
        return
    } catch {
        throw Unexpected("\(what) that is cancelled throws CancellationError, not: \(error)")
    }
    throw Unexpected("\(what) that is cancelled throws CancellationError, and did not throw")
}

/// Runs checks one after the other.
struct ConformanceRun<Subject: Sendable>: Sendable {
    let timeout: Duration
    let skipping: [String: String]
    let make: @Sendable () async throws -> Subject
    let tearDown: @Sendable (Subject) async -> Void
    /// How long a check whose time is over may take to end.
    var grace = Duration.seconds(5)

    /// Runs all checks.
    ///
    /// - Returns: Which passed and which were skipped.
    /// - Throws: ``ConformanceError`` if any failed, and `CancellationError`.
    func run(_ checks: [ConformanceCheck<Subject>]) async throws -> ConformanceReport {
        var report = ConformanceReport()
        var failures: [ConformanceError.Failure] = []
        for check in checks {
            try Task.checkCancellation()
            if let reason = skipping[check.name] {
                report.skipped.append(.init(check: check.name, reason: reason))
                continue
            }
            do {
                try await run(check)
                report.passed.append(check.name)
            } catch {
                failures.append(.init(check: check.name, reason: "\(error)"))
            }
        }
        try Task.checkCancellation()
        if failures.isEmpty { return report }
        throw ConformanceError(failures: failures, report: report)
    }

    private func run(_ check: ConformanceCheck<Subject>) async throws {
        let (events, told) = AsyncStream.makeStream(of: Event.self)
        let subject = Lock<Subject?>(nil)
        let body = Task {
            let result: Result<Void, any Error>
            do {
                let made = try await make()
                subject.withLock { $0 = made }
                do { result = .success(try await check.body(made)) } catch {
                    result = .failure(error)
                }
                await tearDown(made)
            } catch { result = .failure(error) }
            told.yield(.ended(result))
        }
        let limit = Task {
            let loop = EventLoopGroup.shared.next()
            guard (try? await loop.sleep(for: timeout)) != nil else { return }
            told.yield(.timeIsOver)
            body.cancel()
            if let made = subject.withLock({ $0 }) { await tearDown(made) }
            guard (try? await loop.sleep(for: grace)) != nil else { return }
            told.yield(.isStuck)
        }
        defer { limit.cancel() }
        // In a task of its own: the end of a cancelled check is waited for like any other.
        let judging = Task { try await judge(events) }
        try await withTaskCancellationHandler {
            try await judging.value
        } onCancel: {
            body.cancel()
        }
    }

    private enum Event {
        case ended(Result<Void, any Error>)
        case timeIsOver
        case isStuck
    }

    /// Follows a check to its end; what ends only since its time is over has failed, whatever it says.
    private func judge(_ events: AsyncStream<Event>) async throws {
        var isLate = false
        for await event in events {
            switch event {
            case .timeIsOver: isLate = true
            case .isStuck:
                throw Unexpected("not finished after \(timeout), nor when it was cancelled")
            case .ended(let result):
                guard isLate else { return try result.get() }
                var reason = "not finished after \(timeout)"
                if case .failure(let error) = result { reason += "; when it was ended: \(error)" }
                throw Unexpected(reason)
            }
        }
    }
}

/// Refuses names that no check has: a misspelt skip would be no skip.
func checkSkips(_ skipping: [String: String], among names: [String]) throws {
    for name in skipping.keys.sorted() where !names.contains(name) {
        throw EndpointError(
            .invalidArgument,
            operation: "skip",
            endpoint: "\"\(name)\"",
            reason: "no check has this name"
        )
    }
}
