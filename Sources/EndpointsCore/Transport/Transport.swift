// Non-blocking byte moves that know nothing of tasks.
//
// Transports compose below suspension: TLS over a socket is one transport wrapped in another, and a
// Connection neither knows nor cares. Readiness lives in the lowest one (BaseTransport), which
// answers "would block" without a system call when it knows that already, whoever asks: TLS reading
// ahead, for one.

import CEndpoints
import EventLoop

/// Bytes moved, or why none were: one word, for it passes with every message.
package struct Transfer: Equatable {
    package let rawValue: Int

    /// `count` bytes were moved; 0 from a read is the end of the stream.
    @inline(__always)
    package static func moved(_ count: Int) -> Transfer { Transfer(rawValue: count) }
    /// A system call failed.
    static func systemError(_ code: Int32) -> Transfer { Transfer(rawValue: -Int(code)) }
    /// Nothing can move before the lowest transport is readable.
    package static var needsReadable: Transfer { Transfer(rawValue: -1_000_001) }
    /// Nothing can move before the lowest transport is writable.
    package static var needsWritable: Transfer { Transfer(rawValue: -1_000_002) }
    /// The transport failed, and keeps the reason in `failure`.
    package static var failed: Transfer { Transfer(rawValue: -1_000_003) }
    /// Something could move, but the job has used up its turn.
    package static var needsTurn: Transfer { Transfer(rawValue: -1_000_004) }
    /// The connection itself is not in a state to move anything; see `Connection.refusal`.
    static var refused: Transfer { Transfer(rawValue: -1_000_005) }
    /// The caller's buffer is full.
    static var noRoom: Transfer { Transfer(rawValue: -1_000_006) }

    package var isMoved: Bool { rawValue >= 0 }
    package var wouldBlock: Bool { self == .needsReadable || self == .needsWritable }
    /// The errno of a system call that failed.
    package var errorCode: Int32? { rawValue < 0 && rawValue > -1_000_000 ? Int32(-rawValue) : nil }
}

/// Moves bytes without blocking; used on one loop's thread.
package protocol Transport: AnyObject {
    /// The transport at the bottom, where readiness lives.
    var base: BaseTransport { get }
    /// Why a call answered `.failed`.
    var failure: EndpointError? { get }
    /// Whether bytes of a write that was cut off are sealed and must still leave.
    var hasSealedBytes: Bool { get }
    /// Whether the end of our stream is sealed, so that it will leave and nothing can come after it.
    var hasSentEnd: Bool { get }

    /// Sends what is sealed and belongs to no write that is under way; there is room again.
    func sendLeftovers()

    /// Reads at most `buffer.count` bytes, which is not 0.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer
    /// Writes a prefix of `bytes`, which are not empty.
    func write(_ bytes: UnsafeRawBufferPointer) -> Transfer
    /// Writes a prefix of the parts, in one system call where that can be.
    func write(_ parts: UnsafeBufferPointer<iovec>) -> Transfer
    /// Sends the end of our stream; `.moved(0)` when it is done.
    ///
    /// An end that is told in a layer's own protocol leaves the layers below it as they are.
    func closeWrite() -> Transfer
    /// Tells the end in every layer that has a word for it, before the lowest is closed; `.moved(0)`
    /// when it is done.
    func sayGoodbye() -> Transfer
    /// Whether `close` must wait for the peer's end before it closes the lowest transport.
    var lingers: Bool { get }
    /// What `readiness` of the lowest transport says of the stream's end, if it says it all.
    func end(after readiness: Readiness) -> ConnectionEnd?
    /// How the stream ends, if that has come and no unread byte stands before it: what the lowest
    /// transport cannot see, looked for without reading.
    func lookAhead() -> ConnectionEnd?
    /// Whether what was just asked stopped before all had been looked at, to give others a turn.
    var needsTurn: Bool { get }
    /// What the end of the stream, once read, says of how the connection ended; `nil` if that will be
    /// known later.
    var endOfStream: ConnectionEnd? { get }
    /// What a call that has failed says of how the connection ended; `nil` if that will be known later.
    func end(afterFailure error: EndpointError) -> ConnectionEnd?
}

extension Transport {
    package var failure: EndpointError? { nil }
    package var hasSealedBytes: Bool { false }
    package var hasSentEnd: Bool { false }
    package func sendLeftovers() {}
    package var lingers: Bool { false }
    package var endOfStream: ConnectionEnd? { .peerClosed }
    package func lookAhead() -> ConnectionEnd? { nil }
    package func end(afterFailure error: EndpointError) -> ConnectionEnd? {
        error.code == .truncated ? .truncated : .failed(error)
    }
    package var needsTurn: Bool { false }
    package func sayGoodbye() -> Transfer { .moved(0) }
}

/// The lowest transport: knows what its descriptor is ready for, and is registered with a loop.
///
/// Registration waits for the first "would block": it is then on the right loop by construction,
/// and reports what is ready already, so nothing is lost.
package class BaseTransport {
    /// Until proven otherwise the system call is tried first.
    final var isReadable = true
    // Not checked at each use, for it passes with every message: on the loop's thread only.
    @exclusivity(unchecked) package final var isWritable = true
    /// An end or an error was reported: no further edge will come.
    package final var hasHungUp = false
    /// An error was reported: the peer takes nothing any more.
    final var hasFailed = false
    /// Whether a read that gets less than there was room for has emptied the socket, and may clear
    /// `isReadable`.
    ///
    /// Not behind a hang-up, whose end must still be fetched. Nor where the kernel stops before all is
    /// read: at urgent data (tcp(7)), and behind descriptors that came along (unix(7), SCM_RIGHTS).
    final var shortReadsEmpty = true
    package final var isRegistered = false
    /// Whether `isWritable` will be set again once it is false.
    final var watchesWritable = false
    /// An error that was taken from the socket before a read could see it.
    final var pendingError: Int32 = 0

    /// Notes what became ready.
    final func note(_ readiness: Readiness) {
        if readiness.isEnding {
            hasHungUp = true
            shortReadsEmpty = false
            isReadable = true
            if readiness.includes(.error) || readiness.includes(.hangUp) { isWritable = true }
        }
        if readiness.includes(.error) { hasFailed = true }
        if readiness.includes(.urgent) { shortReadsEmpty = false }
        if readiness.includes(.readable) { isReadable = true }
        if readiness.includes(.writable) { isWritable = true }
    }

    /// Begins to report readiness to `source`; 0 or -errno.
    package func register(on loop: EventLoop, _ source: any EventSource) -> Int32 { 0 }
    /// Begins to report, too, that writing is possible again; 0 or -errno.
    ///
    /// Registered already; nothing to do for a transport that has reported it all along.
    func watchWritable(on loop: EventLoop) -> Int32 { 0 }
    /// Reports to another source from now on.
    package func reregister(on loop: EventLoop, _ source: any EventSource) {}
    /// Closes the descriptor, after taking it off the loop.
    ///
    /// - Parameters:
    ///   - loop: The loop on which the connection lives.
    ///   - reset: Whether the peer is to see a reset instead of an end.
    package func close(on loop: EventLoop, reset: Bool) {}
    /// Bytes that have come and were not read.
    package var unreadCount: Int { 0 }
    /// Bytes that were written and have not been sent, since the peer has no room for them.
    var unsentCount: Int { 0 }
    /// Bytes that were written and that the peer's system has not acknowledged; 0 where writing is delivery.
    var unacknowledgedCount: Int { 0 }
    /// About how many bytes a write would take now; `nil` if that is not known.
    package var writeRoom: Int? { nil }
    /// Ends our direction, whatever runs above.
    package func shutDownWrite() {}
    /// Reads and drops what has come; as `Transport.read`.
    package func discard() -> Transfer { .moved(0) }
    /// Sends up to `count` bytes of a file; `nil` where the transport has no such way.
    func sendFile(_ file: Int32, offset: inout Int, count: Int) -> Transfer? { nil }
}
