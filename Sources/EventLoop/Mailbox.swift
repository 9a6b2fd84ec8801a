// What other threads hand to a loop, and the one question that costs them a system call: is the
// loop asleep?
//
// A loop that has stopped has no thread, yet actors on it may still be entered (a late `deinit`, a
// task that was suspended elsewhere). Then the thread that brings the job runs it: one at a time,
// so the loop's mutual exclusion holds.

struct Mailbox {
    enum State {
        /// The loop runs and will look here before it sleeps.
        case awake
        /// The loop sleeps, or is about to: wake it.
        case asleep
        /// The loop's thread has ended; nobody is running late jobs.
        case stopped
        /// The loop's thread has ended; some thread is running late jobs and will look here again.
        case runningLate
    }

    var state = State.awake
    var jobs: [UnownedJob] = []
    var calls: [@Sendable () -> Void] = []

    var isEmpty: Bool { jobs.isEmpty && calls.isEmpty }
}
