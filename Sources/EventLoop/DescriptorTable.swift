// Who is told of a descriptor's events.
//
// An event of one batch may name a descriptor that was closed, and perhaps reused, earlier in the
// batch (epoll(7), Q&A). So an entry has a generation that is part of the token; an event of an old
// generation finds nobody.

/// Something at which tasks of a loop wait.
package protocol LoopMember: AnyObject {
    /// The loop ends: closes what is open and wakes whoever waits, so that each call fails.
    ///
    /// On the loop, perhaps more than once.
    nonisolated func loopWillStop()
}

/// Something that is told of its descriptor's readiness, on the loop's thread, outside any job.
package protocol EventSource: LoopMember {
    /// The descriptor became ready.
    nonisolated func ready(_ readiness: Readiness)
}

/// The sources of a loop by descriptor; touched on the loop's thread only.
struct DescriptorTable {
    private struct Entry {
        // Unowned: a source takes itself out before it goes (`isolated deinit` on the loop).
        unowned(unsafe) var source: (any EventSource)?
        var generation: UInt32
    }
    private var entries: UnsafeMutableBufferPointer<Entry>

    init() {
        entries = .allocate(capacity: 64)
        entries.initialize(repeating: Entry(source: nil, generation: 0))
    }

    /// Enters a source, and answers the token for its events.
    mutating func insert(_ source: any EventSource, for descriptor: Int32) -> UInt64 {
        let index = Int(descriptor)
        if index >= entries.count { grow(toHold: index) }
        entries[index].source = source
        return token(for: descriptor)
    }

    /// The token that an entered descriptor's events have.
    func token(for descriptor: Int32) -> UInt64 {
        let index = Int(descriptor)
        return UInt64(entries[index].generation) << 32 | UInt64(index)
    }

    /// Puts another source in the place of an entered one.
    mutating func replace(_ source: any EventSource, for descriptor: Int32) {
        entries[Int(descriptor)].source = source
    }

    mutating func remove(_ descriptor: Int32) {
        entries[Int(descriptor)].source = nil
        entries[Int(descriptor)].generation &+= 1
    }

    func source(for token: UInt64) -> (any EventSource)? {
        let index = Int(token & 0xffff_ffff)
        guard entries[index].generation == UInt32(token >> 32) else { return nil }
        return entries[index].source
    }

    /// The first source whose descriptor is `start` or more.
    func source(from start: Int) -> (index: Int, source: any EventSource)? {
        // By index: an iterator makes an `Entry?`, and Swift 6.3.1 does not know its `nil` again
        // behind the unowned reference, so that a debug build walks on for ever.
        var index = start
        while index < entries.count {
            if let source = entries[index].source { return (index, source) }
            index += 1
        }
        return nil
    }

    /// How many sources there are.
    var count: Int {
        var count = 0
        for index in entries.indices where entries[index].source != nil { count += 1 }
        return count
    }

    func deallocate() { entries.deallocate() }

    private mutating func grow(toHold index: Int) {
        let capacity = max(index + 1, entries.count * 2)
        let bigger = UnsafeMutableBufferPointer<Entry>.allocate(capacity: capacity)
        let moved = bigger.moveInitialize(fromContentsOf: entries)
        bigger[moved...].initialize(repeating: Entry(source: nil, generation: 0))
        entries.deallocate()
        entries = bigger
    }
}
