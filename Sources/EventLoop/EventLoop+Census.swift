// What is alive on a loop, for those who look for leaks.

extension EventLoop {
    /// How many descriptors are registered and how many timers are set at the moment.
    package func census() async -> (sources: Int, timers: Int) {
        await withUnsafeContinuation { continuation in
            run {
                let state = self.state
                continuation.resume(
                    returning: (state.pointee.table.count, state.pointee.timers.count)
                )
            }
        }
    }
}
