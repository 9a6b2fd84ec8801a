// Readiness from epoll(7), edge-triggered, and time from the monotonic clock.
//
// The eventfd is written only when the loop may be asleep (Mailbox.swift decides), and it is
// registered edge-triggered: it need not be read back before the next write makes a new edge.
//
// A socket is writable nearly always, and would say so at once: most connections never ask.

import CEndpoints

package final class EpollDriver: LoopDriver {
    private let epoll: Int32
    private let wakeUp: Int32
    private static let capacity: Int32 = 256
    private static let wakeUpToken = UInt64.max
    // Safe: used on the loop's thread only.
    nonisolated(unsafe) private let events: UnsafeMutablePointer<epoll_event>

    /// Makes a driver of one epoll and one eventfd.
    ///
    /// - Throws: ``EventLoopError`` when the process is out of descriptors.
    package init() throws(EventLoopError) {
        epoll = endpoints_epoll_create()
        guard epoll >= 0 else { throw EventLoopError(operation: "epoll_create1", code: -epoll) }
        wakeUp = endpoints_eventfd()
        guard wakeUp >= 0 else {
            _ = endpoints_close(epoll)
            throw EventLoopError(operation: "eventfd", code: -wakeUp)
        }
        // Last: what a failed initializer had allocated by itself would be lost.
        events = .allocate(capacity: Int(Self.capacity))
        let mask = ENDPOINTS_IN | ENDPOINTS_EDGE
        let result = endpoints_epoll_control(
            epoll,
            EPOLL_CTL_ADD,
            wakeUp,
            mask,
            Self.wakeUpToken
        )
        guard result == 0 else {
            close()
            throw EventLoopError(operation: "epoll_ctl", code: -result)
        }
    }

    deinit { events.deallocate() }

    private static let reading = ENDPOINTS_IN | ENDPOINTS_PRI | ENDPOINTS_RDHUP | ENDPOINTS_EDGE

    package func add(_ descriptor: Int32, token: UInt64, writable: Bool) -> Int32 {
        let mask = writable ? Self.reading | ENDPOINTS_OUT : Self.reading
        return endpoints_epoll_control(epoll, EPOLL_CTL_ADD, descriptor, mask, token)
    }

    package func watchWritable(_ descriptor: Int32, token: UInt64) -> Int32 {
        let mask = Self.reading | ENDPOINTS_OUT
        return endpoints_epoll_control(epoll, EPOLL_CTL_MOD, descriptor, mask, token)
    }

    package func remove(_ descriptor: Int32) {
        _ = endpoints_epoll_control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0)
    }

    package func wait(
        atMost nanoseconds: UInt64?,
        into buffer: UnsafeMutableBufferPointer<LoopEvent>
    ) -> Int {
        var milliseconds: Int32 = -1
        if let nanoseconds {
            // Rounded up: a timer that is due in half a millisecond must not spin until then.
            milliseconds = Int32(min((nanoseconds + 999_999) / 1_000_000, 3_600_000))
        }
        let limit = min(Self.capacity, Int32(buffer.count))
        let count = endpoints_epoll_wait(epoll, events, limit, milliseconds)
        guard count > 0 else { return 0 }
        var filled = 0
        for i in 0..<count {
            let token = endpoints_event_data(events, i)
            if token == Self.wakeUpToken { continue }
            let readiness = Readiness(rawValue: endpoints_event_mask(events, i))
            buffer[filled] = LoopEvent(token: token, readiness: readiness)
            filled += 1
        }
        return filled
    }

    package func wake() { _ = eventfd_write(wakeUp, 1) }
    package func now() -> UInt64 { endpoints_now() }
    package func coarseNow() -> UInt64 { endpoints_coarse_now() }
    package func arrange(_ jobs: inout JobQueue) {}

    package func close() {
        _ = endpoints_close(wakeUp)
        _ = endpoints_close(epoll)
    }
}
