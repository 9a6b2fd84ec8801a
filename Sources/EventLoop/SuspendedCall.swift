// What a running program waits for. Each gate keeps it of the task that waits there: two stores when
// a gate is closed, one when it is opened, and no allocation. Whoever owns gates can list them.

/// What a suspended call waits for, and since when: kept for whoever looks into a running program.
package struct SuspendedCall: Sendable {
    /// What the call is.
    package enum Operation: UInt8, Sendable {
        case none
        /// The peer's bytes, or its end.
        case read
        /// Room for our bytes.
        case write
        /// The writes that came before.
        case writeTurn
        /// The end of the connection.
        case ended
        /// The end of a close that is under way.
        case close
        /// A connection to accept.
        case accept
        /// A place among the connections that are served.
        case place
        /// The end of the handlers.
        case handlers
        /// The end of what a listener still serves.
        case drain
    }
    package var operation: Operation
    /// Nanoseconds of the loop's clock, to a few milliseconds.
    package var since: UInt64

    package static let none = SuspendedCall(operation: .none, since: 0)
}
