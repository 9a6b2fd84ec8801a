// What a loop runs on when the process had no descriptor left for an epoll: jobs and timers work,
// and whoever wants to watch a descriptor gets the error. A program that is out of descriptors
// hears so from `connect` and `listen`, and does not trap where the loop is made.

import CEndpoints

final class DescriptorlessDriver: LoopDriver {
    private let code: Int32
    private let wakeUps = Lock(0)

    /// - Parameter code: The errno of the attempt to make a real driver.
    init(_ code: Int32) { self.code = code }

    func add(_ descriptor: Int32, token: UInt64, writable: Bool) -> Int32 { -code }
    func watchWritable(_ descriptor: Int32, token: UInt64) -> Int32 { -code }
    func remove(_ descriptor: Int32) {}

    func wait(
        atMost nanoseconds: UInt64?,
        into events: UnsafeMutableBufferPointer<LoopEvent>
    ) -> Int {
        // A look every 10 ms: this driver must do with what needs no descriptor.
        var left = nanoseconds ?? .max
        while left > 0 && !takeWakeUp() {
            let step = min(left, 10_000_000)
            var pause = timespec(tv_sec: 0, tv_nsec: Int(step))
            nanosleep(&pause, nil)
            left -= step
        }
        return 0
    }

    private func takeWakeUp() -> Bool {
        wakeUps.withLock { count in
            defer { count = 0 }
            return count > 0
        }
    }

    func wake() { wakeUps.withLock { $0 += 1 } }
    func now() -> UInt64 { endpoints_now() }
    func coarseNow() -> UInt64 { endpoints_coarse_now() }
    func arrange(_ jobs: inout JobQueue) {}
    func close() {}
}
