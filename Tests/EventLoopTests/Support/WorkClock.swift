import EventLoop

/// Real descriptors, and a time that passes only while work is done.
final class WorkClock: LoopDriver {
    private let inner: EpollDriver
    private let time = Lock<UInt64>(1_000_000_000)

    init() throws { inner = try EpollDriver() }

    /// Does work that takes so long.
    func work(for duration: Duration) { time.withLock { $0 += duration.nanosecondsClamped } }

    func wait(
        atMost nanoseconds: UInt64?,
        into events: UnsafeMutableBufferPointer<LoopEvent>
    ) -> Int {
        let count = inner.wait(atMost: nanoseconds == nil ? nil : 0, into: events)
        // Whoever waits for a timer waits until its time has come.
        if count == 0, let nanoseconds { time.withLock { $0 += nanoseconds } }
        return count
    }

    func now() -> UInt64 { time.withLock { $0 } }
    func coarseNow() -> UInt64 { now() }

    func add(_ descriptor: Int32, token: UInt64, writable: Bool) -> Int32 {
        inner.add(descriptor, token: token, writable: writable)
    }
    func watchWritable(_ descriptor: Int32, token: UInt64) -> Int32 {
        inner.watchWritable(descriptor, token: token)
    }
    func remove(_ descriptor: Int32) { inner.remove(descriptor) }
    func wake() { inner.wake() }
    func arrange(_ jobs: inout JobQueue) {}
    func close() { inner.close() }
}
