// Budgets are time, counted rather than measured: reading a clock for each call would cost more than
// most calls. One unit is about a microsecond: a system call on a socket is one, and so are 2 KiB that
// it moves; a TLS record or an accepted connection is a few, a public-key signature several hundred.
//
// Two limits use the count:
//  - A piece of work (a job, an event, a timer's action, a call from another thread) may do
//    `WorkBudget.piece` units. After that `take` answers false, and a job must hop through an open gate,
//    which puts it at the end of the loop's queue.
//  - What the pieces used up is charged to the loop's slice. Every so many units the loop looks at the
//    clock, and after about a millisecond it turns to its other work (EventLoop+Turn.swift).
//
// So whoever works in a loop of its own, such as one that accepts, opens records or drops bytes, calls
// `take` before each step, or `spend` when the price is known only afterwards:
//
//     guard loop.hot.pointee.budget.take(8) else { return .needsTurn }
//     let count = …
//     loop.hot.pointee.budget.spend(bytes: count)
//
// On the loop's thread only.

/// What the current piece of a loop's work may still do before others run.
@usableFromInline
package struct WorkBudget {
    /// Units that a piece of work may use.
    package static let piece = 128

    /// May be below 0: the last step was more than was left.
    @usableFromInline package var left = 0

    package init() {}

    /// Whether others must run first.
    @inlinable package var isSpent: Bool { left <= 0 }

    /// Takes `cost` for a step; false, and nothing taken, when others must run first.
    ///
    /// - Parameter cost: The step's price in microseconds, roughly; more than is left is allowed.
    /// - Returns: Whether the step may be done now.
    @inlinable package mutating func take(_ cost: Int = 1) -> Bool {
        if left <= 0 { return false }
        left &-= cost
        return true
    }

    /// Charges a step that has been done.
    ///
    /// - Parameter cost: Its price in microseconds, roughly.
    @inlinable package mutating func spend(_ cost: Int) { left &-= cost }

    /// Charges bytes that have been moved.
    @inlinable package mutating func spend(bytes: Int) { left &-= bytes &>> 11 }

    /// Begins a piece of work.
    mutating func refill() { left = Self.piece }
}

/// How much of a turn is left for one kind of work.
struct WorkSlice {
    /// Nanoseconds after which the loop turns to its other work.
    private static let length: UInt64 = 1_000_000
    /// Units between two looks at the clock.
    private static let lookInterval = 128
    /// Units that a piece of work costs beside what it takes from its budget.
    private static let pieceCost = 16

    private var untilLook = 0
    /// When the slice is over; 0 before the first look, since most turns are over sooner.
    private var end: UInt64 = 0

    mutating func begin() {
        untilLook = Self.lookInterval
        end = 0
    }

    /// Charges a piece of work; whether so much has been done that the time should be looked at.
    mutating func mustLookAtClock(after piece: WorkBudget) -> Bool {
        untilLook &-= Self.pieceCost &+ WorkBudget.piece &- piece.left
        return untilLook <= 0
    }

    /// Whether the time is up.
    mutating func isOver(at now: UInt64) -> Bool {
        untilLook = Self.lookInterval
        if end == 0 {
            end = now &+ Self.length
            return false
        }
        return now >= end
    }
}
