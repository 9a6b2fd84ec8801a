// The two functions through which OpenSSL reaches the inner transport.
//
// They never wait and never call OpenSSL back. Reading goes straight into OpenSSL's buffer. Writing
// tries the inner transport and keeps what it does not take, so to OpenSSL every write succeeds; one
// that failed is told at the transport's next write, and does not spoil what can still be read: the
// peer's last words often wait behind a reset.

import CEndpoints
import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop

extension TLSTransport {
    /// One for the process; `nil` only without memory.
    // Safe: a constant, and OpenSSL reads it only.
    nonisolated(unsafe) static let bioMethod: OpaquePointer? = endpoints_bio_method(
        { bio, buffer, count, done in
            guard let bio, let done, let data = BIO_get_data(bio) else { return 0 }
            return Unmanaged<TLSTransport>.fromOpaque(data)._withUnsafeGuaranteedRef {
                $0.read(for: bio, buffer, count, done)
            }
        },
        { bio, bytes, count, done in
            guard let bio, let done, let data = BIO_get_data(bio) else { return 0 }
            return Unmanaged<TLSTransport>.fromOpaque(data)._withUnsafeGuaranteedRef {
                $0.write(for: bio, bytes, count, done)
            }
        }
    )

    @inline(__always)
    private func read(
        for bio: OpaquePointer,
        _ buffer: UnsafeMutablePointer<CChar>?,
        _ count: Int,
        _ done: UnsafeMutablePointer<Int>
    ) -> Int32 {
        readsLeft &-= 1
        if readsLeft < 0 {
            isFlooded = true
            endpoints_bio_retry_read(bio)
            return 0
        }
        let limit = isFlooded ? min(count, Self.floodedRead) : count
        let transfer = inner.read(
            into: UnsafeMutableRawBufferPointer(start: buffer, count: limit)
        )
        if transfer.rawValue > 0 {
            if !isUp && opening == nil { noteOpening(buffer, transfer.rawValue) }
            endpoints_bio_done(bio)
            done.pointee = transfer.rawValue
            return 1
        }
        switch transfer {
        case .needsReadable: endpoints_bio_retry_read(bio)
        case .needsTurn:
            readsLeft = -1
            endpoints_bio_retry_read(bio)
        case .needsWritable: endpoints_bio_retry_write(bio)
        case .moved(0): endpoints_bio_ended(bio)
        default:
            endpoints_bio_done(bio)
            innerReadFailure = transfer
            endpoints_set_errno(transfer.errorCode ?? EIO)
        }
        return 0
    }

    /// Some forty key updates, each of which costs ten microseconds; OpenSSL stops at none that it has.
    private static let floodedRead = 1024

    private func noteOpening(_ buffer: UnsafeMutablePointer<CChar>?, _ count: Int) {
        opening = Array(UnsafeRawBufferPointer(start: buffer, count: min(count, 48)))
    }

    @inline(__always)
    private func write(
        for bio: OpaquePointer,
        _ bytes: UnsafePointer<CChar>?,
        _ count: Int,
        _ done: UnsafeMutablePointer<Int>
    ) -> Int32 {
        endpoints_bio_done(bio)
        done.pointee = count
        if innerWriteFailure != nil { return 1 }
        var rest = UnsafeRawBufferPointer(start: bytes, count: count)
        if outgoing.isEmpty && !isGathering {
            let transfer = inner.write(rest)
            if transfer.rawValue == count { return 1 }
            if transfer.isMoved {
                rest = UnsafeRawBufferPointer(rebasing: rest[transfer.rawValue...])
            } else if !transfer.wouldBlock {
                innerWriteFailure = transfer
                return 1
            }
        }
        if outgoing.append(rest) { return 1 }
        // A peer that asks again and again and takes no answer; see makeRoom.
        done.pointee = 0
        endpoints_bio_retry_write(bio)
        return 0
    }
}

extension Transfer {
    fileprivate static func ~= (pattern: Transfer, value: Transfer) -> Bool {
        pattern.rawValue == value.rawValue
    }
}

/// Sealed bytes that the inner transport has not taken yet, at most a block of the loop's.
///
/// Little, such as the tickets of a server that has nothing to say yet, has little memory.
struct OutgoingRecords {
    private static let little = 4096

    private var memory: UnsafeMutableRawPointer?
    private var capacity = 0
    private var start = 0
    private var end = 0

    var isEmpty: Bool { start == end }

    var bytes: UnsafeRawBufferPointer {
        guard let memory else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: memory + start, count: end - start)
    }

    /// Whether there was room.
    mutating func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return true }
        if end + bytes.count > capacity, !makeRoom(for: bytes.count) { return false }
        guard let memory else { return false }
        (memory + end).copyMemory(from: source, byteCount: bytes.count)
        end += bytes.count
        return true
    }

    private mutating func makeRoom(for count: Int) -> Bool {
        let held = end - start
        guard held + count <= BlockPool.blockSize else { return false }
        let isLittle = held + count <= Self.little
        let made: UnsafeMutableRawPointer
        if isLittle {
            made = .allocate(byteCount: Self.little, alignment: 16)
        } else {
            made = EventLoop.current?.hot.pointee.blocks.take() ?? BlockPool.allocate()
        }
        if let memory { made.copyMemory(from: memory + start, byteCount: held) }
        free()
        memory = made
        capacity = isLittle ? Self.little : BlockPool.blockSize
        end = held
        return true
    }

    /// Gives back the memory that its bytes do not need: they will stay for a while.
    mutating func compact() {
        let held = end - start
        guard let block = memory, capacity == BlockPool.blockSize, held <= capacity / 2 else {
            return
        }
        let needed = UnsafeMutableRawPointer.allocate(byteCount: held, alignment: 16)
        needed.copyMemory(from: block + start, byteCount: held)
        free()
        memory = needed
        capacity = held
        end = held
    }

    mutating func removeFirst(_ count: Int) {
        start += count
        if start >= end { free() }
    }

    /// Gives the memory back, and all that it held up.
    mutating func free() {
        if let memory {
            if capacity != BlockPool.blockSize {
                memory.deallocate()
            } else if let loop = EventLoop.current {
                loop.hot.pointee.blocks.give(memory)
            } else {
                BlockPool.free(memory)
            }
        }
        self = OutgoingRecords()
    }
}
