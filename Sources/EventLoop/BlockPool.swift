// Read buffers of a loop: blocks that are borrowed when bytes come and given back when they have
// been used, so that an idle connection owns none. Free blocks form a list through their own first
// word: taking and giving back are a few instructions, on the loop's thread only.

import CEndpoints

/// A loop's free blocks of ``BlockPool/blockSize`` bytes each.
@usableFromInline
package struct BlockPool {
    /// Bytes in a block: as much as one read takes.
    ///
    /// More than the 64 KiB in which most programs send: a read that fills its buffer has to be tried
    /// again, often in vain.
    @inlinable package static var blockSize: Int { 98_304 }
    private static let mostKept = 64

    private var first: UnsafeMutableRawPointer?
    private var count = 0

    package init() {}

    /// A block, its bytes undefined.
    package mutating func take() -> UnsafeMutableRawPointer {
        guard let block = first else { return Self.allocate() }
        first = block.load(as: UnsafeMutableRawPointer?.self)
        count &-= 1
        return block
    }

    /// Takes a block back.
    package mutating func give(_ block: UnsafeMutableRawPointer) {
        guard count < Self.mostKept else { return Self.free(block) }
        block.storeBytes(of: first, as: UnsafeMutableRawPointer?.self)
        first = block
        count &+= 1
    }

    package mutating func removeAll() {
        while let block = first {
            first = block.load(as: UnsafeMutableRawPointer?.self)
            Self.free(block)
        }
        count = 0
    }

    /// A block for a thread that has no loop.
    package static func allocate() -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer.allocate(byteCount: blockSize, alignment: 16)
    }

    package static func free(_ block: UnsafeMutableRawPointer) {
        block.deallocate()
    }
}
