// Threads for calls that block and cannot be stopped. They are made when there is work and no idle
// thread, never more than the bound, and end by themselves after a while without work: a process
// that looks up one name at its start does not keep a thread for it. No signal is delivered to them.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// A bounded pool of threads with a bounded queue.
// Unchecked: the mutex guards every variable.
final class BlockingThreads: @unchecked Sendable {
    typealias Job = @Sendable () -> Void

    /// Name service plug-ins use much of it.
    private static let stackSize = 1 << 20

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let maximum: Int
    private let queueLimit: Int
    private let idleTime: UInt64
    private var queue: [Job] = []
    private var threads = 0
    /// The others wait for work, or are on their way to take it.
    private var busy = 0

    /// - Parameters:
    ///   - maximum: How many threads, at most.
    ///   - queueLimit: How many jobs may wait for a thread.
    ///   - idleTime: How long a thread waits for work before it ends.
    init(maximum: Int, queueLimit: Int, idleTime: Duration) {
        self.maximum = max(1, maximum)
        self.queueLimit = max(1, queueLimit)
        self.idleTime = idleTime.nanosecondsClamped
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// How many threads there are, at work or idle.
    var threadCount: Int {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return threads
    }

    /// Runs `job` on a thread, in turn.
    ///
    /// - Returns: Whether it will run; not if the queue is full, or there is no thread and none can
    ///   be made.
    func submit(_ job: @escaping Job) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if queue.count >= threads - busy && !(threads < maximum && startThread()) {
            guard threads > 0, queue.count - (threads - busy) < queueLimit else { return false }
        }
        queue.append(job)
        pthread_cond_signal(condition)
        return true
    }

    private func startThread() -> Bool {
        let argument = Unmanaged.passRetained(self)
        let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = {
            if let pointer = $0 {
                Unmanaged<BlockingThreads>.fromOpaque(pointer).takeRetainedValue().work()
            }
            return nil
        }
        let result = endpoints_start_thread(body, argument.toOpaque(), Self.stackSize)
        guard result == 0 else {
            argument.release()
            return false
        }
        threads += 1
        return true
    }

    private func work() {
        endpoints_name_thread(pthread_self(), "resolver")
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            while !queue.isEmpty {
                let job = queue.removeFirst()
                busy += 1
                pthread_mutex_unlock(mutex)
                job()
                pthread_mutex_lock(mutex)
                busy -= 1
            }
            let timedOut = endpoints_condition_wait(condition, mutex, idleTime) != 0
            if timedOut && queue.isEmpty {
                threads -= 1
                return
            }
        }
    }
}
