// Writing: each call is atomic, first come, first served.
//
// The usual write is a lean call that finds nobody writing and a socket that takes everything: no
// suspension, no executor check. A call becomes the writer (`.writing`) before the transport is asked
// for anything, and stays it until all is done, since a layer such as TLS may have sealed bytes that
// it could not send: they belong to this write. Others get in line; whoever finishes wakes the first
// in line. A write that is cancelled before any byte of it has left did not happen; after that our
// stream is over, for what the peer has is not whole.
//
// The bytes are the caller's: the call does not return before it is done with them, so a span stays
// valid across every wait, and a pointer into them may be handed to the isolated part.

import CEndpoints
import EventLoop

/// Bytes that a suspended caller keeps alive.
// Unchecked: read by the one call that its owner is suspended in.
struct BorrowedBytes: @unchecked Sendable {
    let pointer: UnsafeRawBufferPointer
}

extension Connection {
    /// How many writes may wait behind each other.
    static let mostWritersInLine = 1024

    /// Writes all bytes that `buffer` holds; the buffer keeps them.
    ///
    /// Returns when the kernel (or the transport) has taken all of them: waiting for that is the
    /// backpressure. Writes are atomic and happen in the order in which they were called; one of no
    /// bytes, too, waits for those before it.
    ///
    /// Cancellation: if no byte of it has left, nothing happened and the connection stays usable;
    /// otherwise writing is over (later writes get `partialWrite`), and reading still works.
    ///
    /// - Throws: `CancellationError`, or ``EndpointError``: `connectionReset` if the peer is gone,
    ///   `closed` after ``closeWrite()`` or ``close()``, `busy` with 1,024 writes waiting.
    @inlinable @inline(__always)
    public nonisolated(nonsending) func write(_ buffer: borrowing ReadBuffer) async throws {
        let done = try startWrite(buffer.bytes)
        if done != WriteStep.whole { try await finishWrite(buffer.bytes, from: done) }
    }

    /// Writes `bytes`; see ``write(_:)-(ReadBuffer)``.
    ///
    /// - Throws: `CancellationError`, or ``EndpointError``.
    @inlinable @inline(__always)
    public nonisolated(nonsending) func write(_ bytes: RawSpan) async throws {
        let done = try startWrite(bytes)
        if done != WriteStep.whole { try await finishWrite(bytes, from: done) }
    }

    /// Writes `bytes`; see ``write(_:)-(ReadBuffer)``.
    ///
    /// - Throws: `CancellationError`, or ``EndpointError``.
    @inlinable @inline(__always)
    public nonisolated(nonsending) func write(_ bytes: [UInt8]) async throws {
        try await write(bytes.span.bytes)
    }

    /// Writes the bytes of a collection, such as `"…".utf8`; see ``write(_:)-(ReadBuffer)``.
    ///
    /// - Throws: `CancellationError`, or ``EndpointError``.
    public nonisolated(nonsending) func write(_ bytes: some Collection<UInt8>) async throws {
        try await write([UInt8](bytes))
    }

    /// Writes several pieces as one, in one system call where that can be (sendmsg(2)).
    ///
    /// Atomic as a whole; else as ``write(_:)-(ReadBuffer)``.
    ///
    /// - Throws: `CancellationError`, or ``EndpointError``.
    @_disfavoredOverload
    public nonisolated(nonsending) func write(_ parts: [[UInt8]]) async throws {
        try await isolatedWrite(parts)
    }

    // MARK: attempts

    /// Tries the usual case; answers how many bytes are done, or a `WriteStep`.
    ///
    /// If it answers a number, 0 among them, the caller is the writer now.
    @usableFromInline
    nonisolated func startWrite(_ bytes: RawSpan) throws -> Int {
        try startWrite(bytes, isDue: false)
    }

    /// As `startWrite`; one that is due does not wait until others have had their turn.
    @inline(__always)
    nonisolated func startWrite(_ bytes: RawSpan, isDue: Bool) throws -> Int {
        try loop.ifCurrent { here throws in
            guard writeObstacles.isEmpty else { return WriteStep.elsewhere }
            if isCallerCancelled { throw CancellationError() }
            if bytes.isEmpty || !(takeTurn(here) || isDue) { return WriteStep.elsewhere }
            writeObstacles.insert(.writing)
            let transfer = bytes.withUnsafeBytes { transport.write($0) }
            if transfer.rawValue > 0 { noteWritten(transfer.rawValue) }
            if transfer.rawValue == bytes.byteCount {
                writeObstacles.remove(.writing)
                return WriteStep.whole
            }
            if transfer.isMoved { return transfer.rawValue }
            if transfer.wouldBlock || transfer == .needsTurn { return 0 }
            writeObstacles.remove(.writing)
            try checkWrite(transfer, here)
            return WriteStep.elsewhere
        } ?? WriteStep.elsewhere
    }

    /// As `check`; a write that fails is the last.
    private nonisolated func checkWrite(_ transfer: Transfer, _ here: OnLoop) throws {
        do { try check(transfer, "write") } catch {
            writeObstacles.insert(.writeEnded)
            makeExtras().writeFailure = error as? EndpointError
            throw error
        }
    }

    nonisolated func noteWritten(_ count: Int) {
        let hot = loop.hot
        lastActivity = hot.pointee.turnTime
        hot.pointee.budget.spend(bytes: count)
        bytesWritten &+= count
    }

    // MARK: the rest, on the loop

    /// Writes what `startWrite` left over.
    @usableFromInline
    nonisolated(nonsending) func finishWrite(_ bytes: RawSpan, from start: Int) async throws {
        try await writeRest(of: bytes.withUnsafeBytes { BorrowedBytes(pointer: $0) }, from: start)
    }

    private func writeRest(of bytes: BorrowedBytes, from start: Int) async throws {
        if start < 0 { try await takeWriteTurn() }
        var done = Swift.max(start, 0)
        defer { passWriteTurn() }
        try await keepWriting(
            hasBegun: { done > 0 },
            isWhole: { done == bytes.pointer.count },
            step: {
                let rest = UnsafeRawBufferPointer(rebasing: bytes.pointer[done...])
                guard !rest.isEmpty else { return nil }
                let transfer = transport.write(rest)
                if transfer.rawValue > 0 { done += transfer.rawValue }
                return transfer
            }
        )
    }

    private func isolatedWrite(_ parts: [[UInt8]]) async throws {
        var rest = PartsToWrite(parts)
        try await takeWriteTurn()
        defer { passWriteTurn() }
        try await keepWriting(
            hasBegun: { rest.hasBegun },
            isWhole: { rest.isEmpty },
            step: {
                rest.isEmpty ? nil : rest.write(to: transport)
            }
        )
    }

    /// Repeats `step` until it has nothing left to do, waiting where it would block.
    ///
    /// A cancellation that comes when all is done comes too late.
    func keepWriting(
        hasBegun: () -> Bool,
        isWhole: () -> Bool,
        step: () throws -> Transfer?
    ) async throws {
        while true {
            if isCallerCancelled {
                if isWhole() { return }
                if hasBegun() || transport.hasSealedBytes { breakStream() }
                throw CancellationError()
            }
            if writeObstacles.contains(.closed) && phase == .closed { throw refusal("write") }
            if !takeTurn(OnLoop(self)) {
                await wait(at: beginWriteWait(.needsTurn, OnLoop(self)))
                continue
            }
            guard let transfer = try step() else { return }
            if transfer.rawValue > 0 {
                noteWritten(transfer.rawValue)
                continue
            }
            if transfer.rawValue == 0 { continue }
            try checkWrite(transfer, OnLoop(self))
            await wait(at: beginWriteWait(transfer, OnLoop(self)))
        }
    }

    /// In the same breath as the attempt that would block; answers where to wait.
    private nonisolated func beginWriteWait(_ transfer: Transfer, _ here: OnLoop) -> Gate {
        let extras = makeExtras()
        let gate = extras.writeGate ?? Gate(loop, of: self)
        extras.writeGate = gate
        writerNeedsReadable = transfer == .needsReadable
        if transfer != .needsTurn { gate.close(for: .write) }
        return gate
    }

    /// After a write that was cut off: what the peer has is not whole, and must not look so.
    func breakStream() {
        makeExtras().isBroken = true
        writeObstacles.insert(.writeEnded)
    }

    // MARK: the line

    /// Becomes the writer: at once, or when all that came before have finished.
    func takeWriteTurn() async throws {
        if isCallerCancelled { throw CancellationError() }
        if !writeObstacles.isDisjoint(with: [.writeEnded, .closed, .upgrading]) {
            throw refusal("write")
        }
        guard writeObstacles.contains(.writing) else {
            writeObstacles.insert(.writing)
            return
        }
        guard (extras?.writersInLine.count ?? 0) < Self.mostWritersInLine else {
            throw error(
                .busy,
                "write",
                reason: "\(Self.mostWritersInLine) writes are waiting already"
            )
        }
        let writer = getInLine()
        while !writer.hasTurn && !isCallerCancelled && phase != .closed {
            writer.gate.close(for: .writeTurn)
            await wait(at: writer.gate)
        }
        if writer.hasTurn && !isCallerCancelled && !mustRefuseInLine { return }
        leaveLine(writer)
        if isCallerCancelled { throw CancellationError() }
        throw refusal("write")
    }

    /// What came before broke the stream, or all is over.
    private var mustRefuseInLine: Bool {
        writeObstacles.contains(.writeEnded) || phase == .closed
    }

    /// Gets in line; the turn is handed over, so that nobody can slip in between.
    func getInLine() -> WriterInLine {
        let writer = WriterInLine(Gate(loop, of: self))
        makeExtras().writersInLine.append(writer)
        return writer
    }

    private func leaveLine(_ writer: WriterInLine) {
        if writer.hasTurn { return passWriteTurn() }
        extras?.writersInLine.removeAll { $0 === writer }
    }

    /// Hands the turn to the next in line.
    package func passWriteTurn() {
        guard let extras, !extras.writersInLine.isEmpty else {
            writeObstacles.remove(.writing)
            return
        }
        let next = extras.writersInLine.removeFirst()
        next.hasTurn = true
        wake(next.gate)
    }
}

/// What `startWrite` answers beside a count.
@usableFromInline
enum WriteStep {
    /// All bytes are written.
    @usableFromInline static var whole: Int { @inlinable get { -1 } }
    /// Nothing was tried: the caller is not on the loop, or something stands in the way.
    @usableFromInline static var elsewhere: Int { @inlinable get { -2 } }
}

/// Several pieces, and how far they have been written.
private struct PartsToWrite {
    private let parts: [[UInt8]]
    private var part = 0
    private var offset = 0
    private(set) var hasBegun = false

    init(_ parts: [[UInt8]]) {
        self.parts = parts
        skipEmpty()
    }

    var isEmpty: Bool { part == parts.count }

    mutating func write(to transport: any Transport) -> Transfer {
        let transfer = withVectors(parts[part...].prefix(1024)) { transport.write($0) }
        if transfer.rawValue > 0 { advance(by: transfer.rawValue) }
        return transfer
    }

    private func withVectors(
        _ slice: ArraySlice<[UInt8]>,
        _ body: (UnsafeBufferPointer<iovec>) -> Transfer
    ) -> Transfer {
        // One flat copy of small parts would cost more than the pointers; the arrays are kept alive
        // by `parts`, and their storage does not move.
        var vectors: [iovec] = []
        vectors.reserveCapacity(slice.count)
        return withExtendedLifetime(parts) {
            for (index, bytes) in slice.enumerated() {
                let skipped = index == 0 ? offset : 0
                bytes.withUnsafeBufferPointer { buffer in
                    guard let base = buffer.baseAddress, buffer.count > skipped else { return }
                    let start = UnsafeMutableRawPointer(mutating: base + skipped)
                    vectors.append(iovec(iov_base: start, iov_len: buffer.count - skipped))
                }
            }
            return vectors.withUnsafeBufferPointer(body)
        }
    }

    private mutating func advance(by count: Int) {
        hasBegun = true
        offset += count
        while part < parts.count, offset >= parts[part].count {
            offset -= parts[part].count
            part += 1
        }
    }

    private mutating func skipEmpty() {
        advance(by: 0)
        hasBegun = false
    }
}
