// A loop's lag is how much later than asked a task of that loop goes on: the timer's lateness and the
// jobs before it in the queue, which is what any connection of that loop waits, too.

import Endpoints
import Metrics

extension EndpointMetrics {
    /// Measures how late the loops are, until the task is cancelled.
    ///
    /// Each loop has a task that sleeps on it; what it overslept is recorded as `endpoints.loop.lag`,
    /// with the loop's place in the group as dimension. An idle loop has up to a millisecond, to which
    /// its timers are rounded up.
    ///
    /// Cancellation: returns.
    ///
    /// - Parameters:
    ///   - group: The loops; the process's unless told.
    ///   - interval: How often; every second unless told.
    public func reportLoopLag(
        of group: EventLoopGroup = .shared,
        every interval: Duration = .seconds(1)
    ) async {
        await withDiscardingTaskGroup { tasks in
            for (index, loop) in group.loops.enumerated() {
                let timer = loopLagTimer(index)
                tasks.addTask(executorPreference: loop) {
                    while !Task.isCancelled {
                        let start = ContinuousClock.now
                        do { try await loop.sleep(for: interval) } catch { return }
                        let lag = ContinuousClock.now - start - interval
                        timer.record(duration: max(lag, .zero))
                    }
                }
            }
        }
    }
}
