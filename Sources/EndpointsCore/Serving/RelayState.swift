// How a relay ends, as a value: what becomes of one direction decides about the other.
//
//   a direction's end          passed on; the other goes on, and the pair is half-open
//   a failed read from a side  nothing more can come from it, nor go to it: the relay stops
//   a failed write to a side   the other direction goes on: what that side has sent is still to be read
//   a side that is gone        once its bytes have been passed on, the relay stops
//
// A half-open pair has a time limit, which begins at the first sign of an end: that a side has ended can be
// known long before a slow peer has taken what stands before the end.

/// One relay's way to its end.
struct RelayState {
    /// One of the two connections.
    enum Side: CaseIterable {
        case a, b
        var other: Side { self == .a ? .b : .a }
    }

    enum Event {
        /// The side's stream has ended, and the end was passed on.
        case ended(Side)
        /// Reading from the side has failed, behind the last byte that could be read.
        case readFailed(Side, EndpointError)
        /// What came from the side could not be written to the other.
        case writeFailed(from: Side, EndpointError)
        /// The side has ended its stream, whether that was read or not.
        case ending(Side)
        /// The side has ended in both directions, and not in order.
        case gone(Side, EndpointError)
        /// Nothing has moved for as long as a half-open pair may last.
        case timeUp(EndpointError)
    }

    /// What the relay must now do.
    enum Step: Equatable {
        case goOn
        /// The pair is half-open, or soon will be.
        case limitTime
        case stop
    }

    private enum Direction { case open, ended, failed }

    /// Why the relay stops; `nil` after two ends in order.
    private(set) var failure: EndpointError?
    private var fromA = Direction.open
    private var fromB = Direction.open
    private var loss: (a: EndpointError?, b: EndpointError?) = (nil, nil)
    private(set) var hasStopped = false

    private subscript(side: Side) -> Direction {
        get { side == .a ? fromA : fromB }
        set { if side == .a { fromA = newValue } else { fromB = newValue } }
    }

    /// Moves on, and says what the relay must now do.
    mutating func handle(_ event: Event) -> Step {
        // Late: what it speaks of is over.
        if hasStopped { return .stop }
        switch event {
        case .ended(let side):
            self[side] = .ended
            if self[side.other] != .open { return stop(for: nil) }
            if let error = loss(of: side) { return stop(for: error) }
            return .limitTime
        case .readFailed(let side, let error):
            self[side] = .failed
            return stop(for: error)
        case .writeFailed(from: let side, let error):
            self[side] = .failed
            failure = failure ?? error
            return self[side.other] == .open ? .limitTime : stop(for: error)
        case .ending:
            return .limitTime
        case .gone(let side, let error):
            if side == .a { loss.a = error } else { loss.b = error }
            return self[side] == .open ? .limitTime : stop(for: error)
        case .timeUp(let error):
            return stop(for: error)
        }
    }

    private func loss(of side: Side) -> EndpointError? { side == .a ? loss.a : loss.b }

    private mutating func stop(for error: EndpointError?) -> Step {
        failure = failure ?? error
        hasStopped = true
        return .stop
    }
}
