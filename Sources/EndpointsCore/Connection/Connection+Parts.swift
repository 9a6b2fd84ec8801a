// Reads of several parts: a number of bytes, a line, a frame. What they do is a value that is taken a
// step further wherever the reader is on the loop for sure: in the call itself, at the gate, or in the
// isolated method. The claim keeps others out from the first step to the last.

import CEndpoints
import EventLoop

/// A read that may need several attempts.
protocol ReadInParts: Sendable {
    /// Goes on as far as what has come allows.
    ///
    /// Called with the claim.
    ///
    /// - Returns: `.moved` when the read is done, or why the last attempt moved nothing.
    mutating func advance(_ connection: Connection, _ here: OnLoop) throws -> Transfer
    /// Gives back what it has taken: the task was cancelled.
    mutating func giveBack(to connection: Connection, _ here: OnLoop)
}

extension Connection {
    /// Does a read of several parts.
    ///
    /// Cancellation: no byte is lost.
    nonisolated(nonsending) func complete<Read: ReadInParts>(_ read: inout Read) async throws {
        var step = try start(&read)
        if step == ReadStep.wait { step = try await readGate.resume(self, &read) }
        if step >= 0 { return }
        try await isolatedComplete(&read, hasClaim: step == ReadStep.claimed)
    }

    private nonisolated func start<Read: ReadInParts>(_ read: inout Read) throws -> Int {
        try loop.ifCurrent { here throws in
            try beginClaim(here)
            guard let transfer = try advance(&read, here) else { return 0 }
            guard ownsCurrentTask else { return ReadStep.claimed }
            beginReadWait(transfer, here)
            return ReadStep.wait
        } ?? ReadStep.elsewhere
    }

    fileprivate nonisolated func resume<Read: ReadInParts>(
        _ read: inout Read,
        _ here: OnLoop
    ) throws -> Int {
        endReadWait(here)
        return try advance(&read, here) == nil ? 0 : ReadStep.claimed
    }

    private func isolatedComplete<Read: ReadInParts>(
        _ read: inout Read,
        hasClaim: Bool
    ) async throws {
        if !hasClaim { try beginClaim(OnLoop(self)) }
        while true {
            if isCallerCancelled {
                read.giveBack(to: self, OnLoop(self))
                endClaim(OnLoop(self))
                throw CancellationError()
            }
            guard let transfer = try advance(&read, OnLoop(self)) else { return }
            beginReadWait(transfer, OnLoop(self))
            await wait(at: readGate)
            endReadWait(OnLoop(self))
        }
    }

    /// One step; answers what must be waited for, or `nil` if the read is done and the claim over.
    private nonisolated func advance<Read: ReadInParts>(
        _ read: inout Read,
        _ here: OnLoop
    ) throws -> Transfer? {
        do {
            let transfer = try read.advance(self, here)
            if !transfer.isMoved {
                try check(transfer, "read")
                return transfer
            }
            endClaim(here)
            return nil
        } catch {
            endClaim(here)
            throw error
        }
    }
}

extension Gate {
    /// Waits until the gate is open, then goes on.
    fileprivate func resume<Read: ReadInParts>(
        _ connection: Connection,
        _ read: inout Read
    ) throws -> Int {
        try connection.resume(&read, OnLoop(self))
    }
}
