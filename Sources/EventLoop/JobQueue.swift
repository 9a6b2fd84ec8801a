// A ring of jobs: grows by doubling, never shrinks, allocates nothing for a job.

/// The jobs that are ready to run on a loop, in order.
package struct JobQueue {
    private var storage = UnsafeMutablePointer<UnownedJob>.allocate(capacity: 256)
    private var mask = 255
    private var head = 0
    private var tail = 0

    package init() {}

    package var count: Int { tail &- head }
    package var isEmpty: Bool { head == tail }

    package mutating func append(_ job: UnownedJob) {
        if tail &- head > mask { grow() }
        (storage + (tail & mask)).initialize(to: job)
        tail &+= 1
    }

    package mutating func popFirst() -> UnownedJob? {
        if head == tail { return nil }
        let job = storage[head & mask]
        head &+= 1
        return job
    }

    /// Exchanges two jobs; positions count from the first.
    package mutating func swapAt(_ a: Int, _ b: Int) {
        let first = (head &+ a) & mask
        let second = (head &+ b) & mask
        let job = storage[first]
        storage[first] = storage[second]
        storage[second] = job
    }

    package mutating func deallocate() {
        storage.deallocate()
    }

    private mutating func grow() {
        let capacity = (mask + 1) * 2
        let bigger = UnsafeMutablePointer<UnownedJob>.allocate(capacity: capacity)
        let count = self.count
        for i in 0..<count { (bigger + i).initialize(to: storage[(head &+ i) & mask]) }
        storage.deallocate()
        storage = bigger
        mask = capacity - 1
        head = 0
        tail = count
    }
}
