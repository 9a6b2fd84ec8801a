// The open descriptors of the process: proc(5), /proc/self/fd. Compared by number and by what they
// refer to, since a number that was closed is soon another's.

import CEndpoints
import EventLoop

/// The descriptors that are open at one moment.
struct DescriptorCensus: Sendable {
    private let entries: Set<String>

    /// Takes the census.
    init() {
        // The shared loops open theirs when they are first asked for.
        _ = EventLoopGroup.shared
        var entries: Set<String> = []
        if let directory = opendir("/proc/self/fd") {
            defer { closedir(directory) }
            let own = "\(dirfd(directory))"
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard name.first != ".", name != own else { continue }
                entries.insert("\(name) (\(target(of: name)))")
            }
        }
        self.entries = entries
    }

    /// What is open now and was not then, looked at again and again until it is closed or the time
    /// is over.
    func leaks(after patience: Duration) async -> [String] {
        let start = ContinuousClock.now
        while true {
            let new = DescriptorCensus().entries.subtracting(entries)
            if new.isEmpty { return [] }
            if start.duration(to: .now) > patience { return new.sorted() }
            await pause()
        }
    }

    private func pause() async {
        let loop = EventLoopGroup.shared.next()
        await Task { try? await loop.sleep(for: .milliseconds(5)) }.value
    }
}

private func target(of name: String) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
        guard let start = buffer.baseAddress else { return "" }
        let count = readlink("/proc/self/fd/\(name)", start, buffer.count)
        if count < 0 { return "closed" }
        return String(
            decoding: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]),
            as: UTF8.self
        )
    }
}
