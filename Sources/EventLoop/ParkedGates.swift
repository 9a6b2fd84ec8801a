// The gates at which a task waits, so that a loop which ends can end every wait on it, whatever that
// is for. A slot holds the gate's address, or the next free slot: parking and waking touch one slot and
// no other gate, whose memory would be far away, and allocate nothing.

/// The gates of a loop that keep a job.
struct ParkedGates {
    /// A gate's address, which is even, or twice the index of the next free slot and one.
    private var slots = UnsafeMutableBufferPointer<UInt>.allocate(capacity: 64)
    private var firstFree = 0

    init() { freeAll(from: 0) }

    /// Enters a gate, and answers its slot.
    ///
    /// - Parameter gate: One that stays alive until it is removed, as it does while a task waits there.
    /// - Returns: The slot.
    mutating func insert(_ gate: Gate) -> Int {
        if firstFree == slots.count { grow() }
        let slot = firstFree
        firstFree = Int(slots[slot] >> 1)
        slots[slot] = UInt(bitPattern: Unmanaged.passUnretained(gate).toOpaque())
        return slot
    }

    mutating func remove(_ slot: Int) {
        slots[slot] = UInt(firstFree) << 1 | 1
        firstFree = slot
    }

    /// The first gate in a slot from `start` on.
    func gate(from start: Int) -> (slot: Int, gate: Gate)? {
        guard let slot = slots[start...].firstIndex(where: { $0 & 1 == 0 }),
            let address = UnsafeRawPointer(bitPattern: slots[slot])
        else { return nil }
        return (slot, Unmanaged<Gate>.fromOpaque(address).takeUnretainedValue())
    }

    func deallocate() { slots.deallocate() }

    private mutating func grow() {
        let bigger = UnsafeMutableBufferPointer<UInt>.allocate(capacity: slots.count * 2)
        let moved = bigger.moveInitialize(fromContentsOf: slots)
        slots.deallocate()
        slots = bigger
        freeAll(from: moved)
    }

    /// Links the slots from `start` on; behind the last one there is none.
    private func freeAll(from start: Int) {
        for slot in start..<slots.count {
            slots.initializeElement(at: slot, to: UInt(slot + 1) << 1 | 1)
        }
    }
}
