import CEndpoints

/// A value that several threads share, behind a pthread mutex.
///
/// Not `Synchronization.Mutex`: Thread Sanitizer does not see its futex and reports what it guards.
// Unchecked: the mutex is what makes it safe.
package final class Lock<State>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    // Not checked: the mutex keeps accesses apart, and who locks it twice waits for himself.
    @exclusivity(unchecked) private var state: State

    package init(_ state: State) {
        self.state = state
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Runs `body` with the value, alone; `body` must not wait for anything.
    package func withLock<Result, Failure: Error>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&state)
    }
}
