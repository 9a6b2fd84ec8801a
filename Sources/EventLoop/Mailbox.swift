// What other threads hand to a loop.
//
// A loop that has ended has no thread, yet actors on it may still be entered (a late `deinit`, a
// task that was suspended elsewhere): EventLoop+Stopping.swift says who runs that.

struct Mailbox {
    enum State {
        /// The loop's thread looks here.
        case running
        /// The loop's thread has ended; nobody is running late jobs.
        case stopped
        /// The loop's thread has ended; some thread is running late jobs and will look here again.
        case runningLate
    }

    var state = State.running
    var jobs: [UnownedJob] = []
    var calls: [@Sendable () -> Void] = []

    var isEmpty: Bool { jobs.isEmpty && calls.isEmpty }
}
