// The buffer of the fast and safe read loop: a block of the loop's pool while it holds bytes, and
// nothing at all while it is empty and its owner waits.
//
// The type cannot be copied, so a block has one owner, and no reference is counted for a message. A
// block may be freed on any thread; only a loop's thread puts it into a pool (its own).

import CEndpoints
import EventLoop

/// Bytes that were read and not yet used, in order.
///
/// Reading appends, the user removes from the front. While it is empty and a read waits, the buffer
/// owns no memory.
public struct ReadBuffer: ~Copyable, @unchecked Sendable {  // It owns its block alone.
    private var block: UnsafeMutableRawPointer?
    private var size = 0  // of the block
    private var head = 0  // the first byte
    private var tail = 0  // one past the last byte
    /// How many bytes the buffer holds at most.
    public let capacity: Int

    /// Makes an empty buffer, which owns no memory yet.
    ///
    /// - Parameter capacity: How many bytes it may hold; 96 KiB unless told, at least 1.
    public init(capacity: Int = 98_304) {
        self.capacity = max(capacity, 1)
    }

    deinit {
        if let block { Self.discard(block, size) }
    }

    /// How many bytes it holds.
    public var count: Int { tail - head }

    /// Whether it holds none.
    public var isEmpty: Bool { tail == head }

    /// The bytes, valid until the buffer changes.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        borrowing get {
            let span = RawSpan(_unsafeBytes: readable)
            return _overrideLifetime(span, borrowing: self)
        }
    }

    /// The byte at `index`, which counts from the first byte held and is less than `count`.
    public subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < count, "index out of range")
        return readable[index]
    }

    /// The place of the first `byte`, if it is there.
    public func firstIndex(of byte: UInt8) -> Int? { firstIndex(of: byte, from: 0) }

    /// The place of the first `byte` at or after `start`.
    func firstIndex(of byte: UInt8, from start: Int) -> Int? {
        let bytes = readable
        guard start < bytes.count, let base = bytes.baseAddress else { return nil }
        guard let found = memchr(base + start, Int32(byte), bytes.count - start) else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// The first bytes, at most `count` of them.
    public func prefix(_ count: Int) -> [UInt8] {
        [UInt8](readable.prefix(max(count, 0)))
    }

    /// Removes the first `count` bytes; all of them if there are fewer.
    public mutating func removeFirst(_ count: Int) {
        head += min(max(count, 0), self.count)
        if head == tail { removeAll() }
    }

    /// Removes all bytes; the memory goes back when the next read waits.
    public mutating func removeAll() {
        head = 0
        tail = 0
    }

    var readable: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: block.map { $0 + head }, count: tail - head)
    }

    /// Appends bytes, without regard to the capacity.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        if size - tail < bytes.count { reallocate(toHold: count + bytes.count) }
        guard let block else { return }
        UnsafeMutableRawBufferPointer(start: block + tail, count: bytes.count).copyMemory(
            from: bytes
        )
        tail += bytes.count
    }

    /// Lets `read` fill the room behind the last byte; a block is taken if there is none, and given
    /// back if the buffer is still empty afterwards.
    ///
    /// On a loop's thread.
    @inline(__always)
    mutating func fill(
        from pool: UnsafeMutablePointer<EventLoop.HotState>,
        _ read: (UnsafeMutableRawBufferPointer) -> Transfer
    ) -> Transfer {
        if block == nil {
            block = pool.pointee.blocks.take()
            size = BlockPool.blockSize
        } else if size &- tail < 4096 {
            makeRoom()
        }
        guard let block else { return .refused }
        let room = min(size &- tail, capacity &- (tail &- head))
        let result = read(UnsafeMutableRawBufferPointer(start: block + tail, count: room))
        if result.rawValue > 0 {
            tail &+= result.rawValue
        } else {
            giveBack(to: pool)
        }
        return result
    }

    /// Gives the block back if the buffer is empty; on a loop's thread.
    @inline(__always)
    mutating func giveBack(to pool: UnsafeMutablePointer<EventLoop.HotState>) {
        guard let block, tail == head, size == BlockPool.blockSize else { return }
        pool.pointee.blocks.give(block)
        self.block = nil
        size = 0
    }

    /// Gives back the memory that its bytes do not need: they will stay for a while.
    mutating func compact() {
        guard let old = block, count <= size / 2 else { return }
        let bytes = readable
        let needed = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 16)
        if let start = bytes.baseAddress {
            needed.copyMemory(from: start, byteCount: bytes.count)
        }
        Self.discard(old, size)
        block = needed
        size = bytes.count
        head = 0
        tail = size
    }

    /// Moves the bytes to the front, into a larger block if this one is full.
    private mutating func makeRoom() {
        if head > 0 && count <= size / 2 {
            guard let block else { return }
            block.copyMemory(from: block + head, byteCount: count)
            tail -= head
            head = 0
        } else {
            reallocate(toHold: count + 4096)
        }
    }

    private mutating func reallocate(toHold needed: Int) {
        let bigger = max(needed, min(size * 2, capacity), BlockPool.blockSize)
        let block = UnsafeMutableRawPointer.allocate(byteCount: bigger, alignment: 16)
        let count = self.count
        if let old = self.block {
            block.copyMemory(from: old + head, byteCount: count)
            Self.discard(old, size)
        }
        self.block = block
        size = bigger
        head = 0
        tail = count
    }

    private static func discard(_ block: UnsafeMutableRawPointer, _ size: Int) {
        if size == BlockPool.blockSize, let loop = EventLoop.current {
            loop.hot.pointee.blocks.give(block)
        } else {
            BlockPool.free(block)
        }
    }
}
