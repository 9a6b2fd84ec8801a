// Callers that sleep: each sits in `waiters` until somebody takes it out, and whoever does that
// resumes it: the event it waits for, or its cancellation. An answer is kept in the waiter, not
// handed through the continuation, so that every caller gets what was true when it was resumed,
// and not what is true by the time it runs.
//
// Consumers of `connections` and `states` have no buffers of their own. They hold a position and
// look again when told that there is news; a slow one costs nobody anything and grows nothing.

extension ReconnectingClient {
    /// A suspended caller; lives in the actor.
    final class Waiter {
        enum Purpose {
            case instance(failuresLeft: Int?)
            /// For anything new: an instance, a state.
            case news
            case stop
            case end
        }
        let id: Int
        var purpose: Purpose
        var continuation: CheckedContinuation<Void, Never>?
        var answer: Result<Instance, any Error>?
        /// Whether it was resumed by what it waited for, not by its cancellation.
        var isDone = false

        init(id: Int, purpose: Purpose) {
            self.id = id
            self.purpose = purpose
        }
    }

    func makeWaiter(_ purpose: Waiter.Purpose) -> Waiter {
        lastWaiter += 1
        let waiter = Waiter(id: lastWaiter, purpose: purpose)
        waiters[waiter.id] = waiter
        return waiter
    }

    /// Suspends the caller until its waiter is finished or its task is cancelled.
    func park(_ waiter: Waiter) async {
        let id = waiter.id
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // On the way here others may have run: what it waits for may have come, and the
                // handler may have found nobody to resume.
                if waiter.isDone { return continuation.resume() }
                waiter.continuation = continuation
                if Task.isCancelled { cancel(id) }
            }
        } onCancel: {
            Task { await self.cancel(id) }
        }
    }

    func finish(_ waiter: Waiter, with answer: Result<Instance, any Error>? = nil) {
        waiters[waiter.id] = nil
        waiter.answer = answer
        waiter.isDone = true
        waiter.continuation?.resume()
        waiter.continuation = nil
    }

    private func cancel(_ id: Int) {
        guard let waiter = waiters[id], let continuation = waiter.continuation else { return }
        if case .stop = waiter.purpose { return apply(.stopTimedOut) }
        waiters[id] = nil
        waiter.continuation = nil
        continuation.resume()
    }

    /// Waits for anything new; answers whether there is, and not the caller's cancellation.
    private func news() async -> Bool {
        let waiter = makeWaiter(.news)
        await park(waiter)
        return waiter.isDone
    }

    /// The current instance if it is newer than `number`, or the next; `nil` at the end.
    func instance(
        after number: Int,
        since stops: Int?
    ) async -> (number: Int, stops: Int, instance: Instance)? {
        let stops = stops ?? stopCount
        while stops == stopCount, machine.state != .stopped {
            if let current, current.number > number {
                return (current.number, stops, current.instance)
            }
            guard await news() else { return nil }
        }
        return nil
    }

    /// The state at `position`, the oldest that is still known, or the next; `nil` when cancelled.
    func state(at position: Int) async -> (position: Int, state: ReconnectingClientState)? {
        while true {
            let count = stateCount.load(ordering: .relaxed)
            if position < count {
                let index = max(position - (count - recentStates.count), 0)
                return (count - recentStates.count + index, recentStates[index])
            }
            guard await news() else { return nil }
        }
    }
}
