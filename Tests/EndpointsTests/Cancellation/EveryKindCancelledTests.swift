// Each kind of suspended call is cancelled at each moment, by many tasks at once. That a moment was hit
// is no guess: what the call waits for comes, and the cancellation is made, in one job of the very
// loop on which it was just seen waiting, or by two threads that this job sets off. What a call has
// left behind is looked at each time, and what all of them have left is counted at the end.

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

/// How often a call of a kind was hit at a moment, and how it ended.
private final class Outcomes: Sendable {
    struct Key: Hashable {
        var kind: String
        var moment: Moment
    }
    struct Count {
        var done = 0
        var cancelled = 0
    }
    private let counts = Lock<[Key: Count]>([:])

    func note(_ kind: String, _ moment: Moment, isDone: Bool) {
        counts.withLock { counts in
            var count = counts[Key(kind: kind, moment: moment)] ?? Count()
            if isDone { count.done += 1 } else { count.cancelled += 1 }
            counts[Key(kind: kind, moment: moment)] = count
        }
    }

    func count(_ kind: String, _ moment: Moment) -> Count {
        counts.withLock { $0[Key(kind: kind, moment: moment)] ?? Count() }
    }

    func total(_ moment: Moment) -> Count {
        counts.withLock { counts in
            counts.reduce(into: Count()) { total, entry in
                guard entry.key.moment == moment else { return }
                total.done += entry.value.done
                total.cancelled += entry.value.cancelled
            }
        }
    }
}

/// Makes a call and cancels it at a moment; answers whether it did what was asked for.
private func run(
    _ call: PreparedCall,
    at moment: Moment,
    turn: Int,
    racers: [EventLoop]
) async throws -> Bool {
    let canary = Canary()
    let hasEnded = Tally()
    // A task that prefers the loop, and one that does not, as most of a program's do.
    let task = Task(executorPreference: turn % 2 == 0 ? call.loop : nil) {
        defer {
            withExtendedLifetime(canary) {}
            hasEnded.add()
        }
        if moment == .before { withUnsafeCurrentTask { $0?.cancel() } }
        return try await call.body()
    }
    if moment != .before {
        while await !onLoop(call.loop, { hit(call, task, moment, turn, racers) }) {
            if hasEnded.value > 0 {
                Issue.record("it did not wait")
                break
            }
            await Task.yield()
        }
    }
    if moment == .after {
        while hasEnded.value == 0 { await Task.yield() }
        task.cancel()
    }
    let result = await task.result
    // What the racers were set off to do has been done.
    if moment == .race { for racer in racers { await onLoop(racer) {} } }
    do { return try result.get() } catch is CancellationError { return false }
}

/// On the call's loop: does what belongs to the moment if the call waits.
private func hit(
    _ call: PreparedCall,
    _ task: Task<Bool, any Error>,
    _ moment: Moment,
    _ turn: Int,
    _ racers: [EventLoop]
) -> Bool {
    guard call.isWaiting() else { return false }
    switch moment {
    case .before: break
    case .during: task.cancel()
    case .readyThenCancelled:
        call.makeReady()
        task.cancel()
    case .cancelledThenReady:
        task.cancel()
        call.makeReady()
    case .race:
        racers[turn / 2 % 2].runOutsideJob { call.makeReady() }
        racers[(turn / 2 + 1) % 2].runOutsideJob { task.cancel() }
    case .after: call.makeReady()
    }
    return true
}

/// Every kind at every moment, `rounds` times by one worker; answers how many connections still live.
private func work(rounds: Int, _ outcomes: Outcomes) async throws -> LiveConnections {
    let setting = try CallSetting()
    let racers = EventLoopGroup(loopCount: 2)
    for round in 0..<rounds {
        for (index, kind) in cancelledKinds.enumerated() {
            for moment in Moment.allCases {
                do {
                    let call = try await kind.make(setting)
                    let isDone = try await run(
                        call,
                        at: moment,
                        turn: round + index,
                        racers: racers.loops
                    )
                    outcomes.note(kind.name, moment, isDone: isDone)
                    try await call.finish(isDone, moment.isReady)
                } catch { Issue.record("\(kind.name), \(moment): \(error)") }
            }
        }
    }
    for loop in setting.loops.flatMap(\.loops) + setting.driven.loops {
        let census = await loop.census()
        #expect(census.sources == 0)
        #expect(census.timers == 0)
    }
    await setting.shutdown()
    await racers.shutdown()
    return setting.connections
}

@Suite(
    "Every kind of call, cancelled at every moment",
    .tags(.cancellation),
    .timeLimit(.minutes(2))
)
struct EveryKindCancelledTests {
    @Test("it ends at once, keeps its promise, and nothing is lost or left")
    func everyKind() async {
        await #expect(processExitsWith: .success) {
            // What the runtime opens once and keeps is there before the count.
            _ = try await work(rounds: 1, Outcomes())
            let start = openDescriptorCount()
            let outcomes = Outcomes()
            let (workers, rounds) = (4, 5)
            let connections = try await withThrowingTaskGroup(of: LiveConnections.self) { group in
                for _ in 0..<workers {
                    group.addTask { try await work(rounds: rounds, outcomes) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for (name, _) in cancelledKinds {
                for moment in Moment.allCases {
                    let count = outcomes.count(name, moment)
                    let comment = Comment(rawValue: "\(name), \(moment): \(count)")
                    #expect(count.done + count.cancelled == workers * rounds, comment)
                    switch moment {
                    case .before, .during: #expect(count.done == 0, comment)
                    case .after: #expect(count.cancelled == 0, comment)
                    case .readyThenCancelled, .cancelledThenReady, .race: break
                    }
                }
            }
            // Either may win.
            let races = outcomes.total(.race)
            #expect(races.done > 0 && races.cancelled > 0, "\(races)")
            #expect(Canary.live.value == 0)
            #expect(connections.reduce(0) { $0 + $1.count } == 0)
            #expect(openDescriptorCount() <= start)
        }
    }
}
