// Loops of a process, and how many of them: as many as it may use cores, by its affinity mask and
// by its control group's quota (a container's limit shows only there).

import CEndpoints
import Dispatch
import Synchronization

/// A number of event loops that share the work.
public final class EventLoopGroup: Sendable {
    /// The process's own: one loop a core that it may use, made when first asked for.
    ///
    /// ``shutdown()`` does nothing on it: others may use it too.
    public static let shared = EventLoopGroup(loopCount: usableCoreCount(), isShared: true) { _ in }

    /// The loops, in no order that means anything.
    public let loops: [EventLoop]
    private let isShared: Bool
    private let turn = Atomic<Int>(0)
    private let hasEnded = Atomic<Bool>(false)

    /// Makes loops and starts their threads.
    ///
    /// Where the process has no descriptors left the loops run all the same, and connecting or
    /// listening on them throws that error.
    ///
    /// - Parameters:
    ///   - loopCount: How many; at least 1.
    ///   - onStall: Told once a loop when a job has kept it from its other work for more than
    ///     100 ms, and for how long.
    public convenience init(
        loopCount: Int,
        onStall: @escaping @Sendable (Duration) -> Void = { _ in }
    ) {
        self.init(loopCount: loopCount, isShared: false, onStall: onStall)
    }

    private init(
        loopCount: Int,
        isShared: Bool,
        onStall: @escaping @Sendable (Duration) -> Void
    ) {
        self.isShared = isShared
        loops = (0..<max(loopCount, 1)).map { index in
            EventLoop(driver: makeDriver(), name: "endpoints-\(index)", onStall: onStall)
        }
    }

    /// A group of loops on drivers of one's own: the seam for simulations.
    package init(drivers: [any LoopDriver]) {
        isShared = false
        loops = drivers.map { EventLoop(driver: $0) }
    }

    /// Whether ``shutdown()`` was called: what is begun on the loops from now on comes to nothing.
    package var isShutDown: Bool { hasEnded.load(ordering: .relaxed) }

    /// The next loop in turn.
    public func next() -> EventLoop {
        if loops.count == 1 { return loops[0] }
        let turn = turn.wrappingAdd(1, ordering: .relaxed).oldValue
        return loops[Int(UInt(bitPattern: turn) % UInt(loops.count))]
    }

    /// Ends the loops: calls that wait on them throw, what is open on them is closed, and when it
    /// returns no thread and no descriptor of theirs is left.
    ///
    /// Cancellation is not looked at: the end takes no longer than the jobs that are ready to run.
    public func shutdown() async {
        guard !isShared else { return }
        hasEnded.store(true, ordering: .relaxed)
        for loop in loops { loop.stop() }
        await withUnsafeContinuation { continuation in
            // Joining blocks for a moment, and a loop cannot wait for itself.
            DispatchQueue.global().async { [loops] in
                for loop in loops { loop.join() }
                continuation.resume()
            }
        }
    }
}

private func makeDriver() -> any LoopDriver {
    do { return try EpollDriver() } catch { return DescriptorlessDriver(error.code) }
}

/// How many cores this process may use; at least 1.
func usableCoreCount() -> Int {
    var cores = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    let allowed = Int(endpoints_affinity_count())
    if allowed > 0 { cores = min(cores, allowed) }
    if let quota = cgroupQuota() { cores = min(cores, quota) }
    return max(cores, 1)
}
