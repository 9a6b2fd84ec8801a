// Proof that the caller runs on a loop, so that what touches a loop's state from elsewhere does not
// compile. After an `await` a `nonisolated(nonsending)` method runs where its caller runs, which may be
// another loop's thread: what was true before the wait has to be established again.
//
// A proof cannot be stored, returned, or captured by an escaping closure. An `async` function could
// keep one across an `await` if it had one, so none takes one: proofs go to synchronous functions.

import CEndpoints

/// Proof that the caller runs on its loop.
@usableFromInline
package struct OnLoop: ~Escapable {
    @usableFromInline @_lifetime(immortal) init() {}

    /// The proof that isolation to an actor of the loop is.
    @_lifetime(immortal) @inline(__always)
    package init<Owner: LoopActor>(_ owner: isolated Owner) { self.init() }
}

/// An actor that runs on a loop and nowhere else.
package protocol LoopActor: Actor {}

extension Gate: LoopActor {}

extension EventLoop {
    /// Runs `body` if the caller is on this loop, and hands it the proof; answers `nil` elsewhere.
    @inlinable @inline(__always)
    package func ifCurrent<Result: ~Copyable, Failure: Error>(
        _ body: (OnLoop) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard isCurrent else { return nil }
        return try body(OnLoop())
    }
}
