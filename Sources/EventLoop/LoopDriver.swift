// The seam below the loop: where readiness comes from, what time it is, and in which order ready
// jobs run. Production has one answer (EpollDriver); a simulation gives another to the very same
// loop. It is chosen when the loop is made and consulted once a turn, never once a message.

/// What a descriptor can do now, as epoll(7) reports it.
@usableFromInline
package struct Readiness: OptionSet, Sendable {
    @usableFromInline package let rawValue: UInt32
    @usableFromInline package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let readable = Readiness(rawValue: 0x001)  // EPOLLIN
    package static let urgent = Readiness(rawValue: 0x002)  // EPOLLPRI
    package static let writable = Readiness(rawValue: 0x004)  // EPOLLOUT
    package static let error = Readiness(rawValue: 0x008)  // EPOLLERR
    package static let hangUp = Readiness(rawValue: 0x010)  // EPOLLHUP
    package static let readHangUp = Readiness(rawValue: 0x2000)  // EPOLLRDHUP

    /// Something ended: no further edge will come for what is still to be read.
    @inlinable package var isEnding: Bool { rawValue & 0x2018 != 0 }

    /// Whether any of `other` is reported; plain bits, for this passes with every event.
    @inlinable package func includes(_ other: Readiness) -> Bool { rawValue & other.rawValue != 0 }
}

/// One report of readiness: the token given at registration, and what the descriptor can do.
package struct LoopEvent: Sendable {
    package var token: UInt64
    package var readiness: Readiness

    package init(token: UInt64, readiness: Readiness) {
        self.token = token
        self.readiness = readiness
    }
}

/// Where a loop's readiness, time and order come from.
///
/// All but `wake` is called on the loop's thread.
package protocol LoopDriver: AnyObject, Sendable {
    /// Begins to report `descriptor`, edge-triggered, with `token`; present readiness is reported too.
    ///
    /// - Parameters:
    ///   - descriptor: What to report.
    ///   - token: What its events are to carry.
    ///   - writable: Whether also when it becomes writable.
    /// - Returns: 0 or -errno.
    func add(_ descriptor: Int32, token: UInt64, writable: Bool) -> Int32
    /// Reports from now on also when `descriptor` becomes writable; present readiness is reported anew.
    ///
    /// - Returns: 0 or -errno.
    func watchWritable(_ descriptor: Int32, token: UInt64) -> Int32
    /// Stops to report `descriptor`.
    func remove(_ descriptor: Int32)
    /// Waits for events.
    ///
    /// - Parameters:
    ///   - nanoseconds: The longest wait; 0 only looks, `nil` waits until an event or `wake`.
    ///   - events: Where to write the events.
    /// - Returns: How many events were written to `events`.
    func wait(atMost nanoseconds: UInt64?, into events: UnsafeMutableBufferPointer<LoopEvent>)
        -> Int
    /// Ends a `wait` that is under way or comes next. From any thread.
    func wake()
    /// Nanoseconds of a clock that never goes back.
    func now() -> UInt64
    /// The same clock, cheaper, a few milliseconds behind.
    func coarseNow() -> UInt64
    /// May change the order of the jobs that are about to run.
    func arrange(_ jobs: inout JobQueue)
    /// Gives the driver's descriptors back.
    func close()
}
