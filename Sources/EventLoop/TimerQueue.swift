// A binary heap whose entries know their place, so that a time limit that did not pass is taken out
// at once: most timers of a server never fire.

/// One timer of a loop; touched on the loop's thread only.
package final class LoopTimer {
    /// When it fires, in nanoseconds of the loop's clock.
    package let deadline: UInt64
    fileprivate let action: () -> Void
    fileprivate var index = -1  // its place in the heap; -1: not in it

    init(deadline: UInt64, action: @escaping () -> Void) {
        self.deadline = deadline
        self.action = action
    }
}

/// The timers of a loop, the earliest first.
struct TimerQueue {
    private var heap: [LoopTimer] = []

    var earliest: UInt64? { heap.first?.deadline }
    var count: Int { heap.count }

    mutating func insert(_ timer: LoopTimer) {
        timer.index = heap.count
        heap.append(timer)
        moveUp(timer.index)
    }

    /// Takes a timer out; does nothing if it has fired or was removed.
    mutating func remove(_ timer: LoopTimer) {
        let index = timer.index
        guard index >= 0 else { return }
        timer.index = -1
        let last = heap.removeLast()
        guard index < heap.count else { return }
        heap[index] = last
        last.index = index
        moveDown(index)
        moveUp(index)
    }

    /// Takes out the earliest timer that is due, and answers what it wants done.
    mutating func popDue(at now: UInt64) -> (() -> Void)? {
        guard let timer = heap.first, timer.deadline <= now else { return nil }
        remove(timer)
        return timer.action
    }

    private mutating func moveUp(_ start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            if heap[parent].deadline <= heap[index].deadline { return }
            exchange(index, parent)
            index = parent
        }
    }

    private mutating func moveDown(_ start: Int) {
        var index = start
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count {
                if heap[child].deadline < heap[least].deadline { least = child }
            }
            if least == index { return }
            exchange(index, least)
            index = least
        }
    }

    private mutating func exchange(_ a: Int, _ b: Int) {
        heap.swapAt(a, b)
        heap[a].index = a
        heap[b].index = b
    }
}
