import EventLoop

/// Real descriptors, and a time that stands still until a test moves it.
final class SteppedDriver: LoopDriver {
    private let inner: EpollDriver
    private let time = Lock<UInt64>(1_000_000_000)

    init() throws { inner = try EpollDriver() }

    /// Moves time on; timers that are due fire.
    func advance(by duration: Duration) {
        time.withLock { $0 += duration.nanosecondsClamped }
        wake()
    }

    func wait(
        atMost nanoseconds: UInt64?,
        into events: UnsafeMutableBufferPointer<LoopEvent>
    ) -> Int {
        // A timer that is not due is as far away as one that is not there.
        inner.wait(atMost: nanoseconds == 0 ? 0 : nil, into: events)
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
    func arrange(_ jobs: inout JobQueue) { inner.arrange(&jobs) }
    func close() { inner.close() }
}
