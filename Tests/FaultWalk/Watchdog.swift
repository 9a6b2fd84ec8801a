import Foundation

/// Ends the process, with a word about what was running, when a run takes too long.
final class Watchdog: @unchecked Sendable {
    // Unchecked: the lock guards all of it.
    private let lock = NSLock()
    private var current: (name: String, began: Date)?
    private let limit: TimeInterval = 20

    init() {
        let thread = Thread { [unowned self] in
            while true {
                Thread.sleep(forTimeInterval: 0.5)
                self.look()
            }
        }
        thread.start()
    }

    func begin(_ name: String) { lock.withLock { current = (name, Date()) } }

    func end() { lock.withLock { current = nil } }

    private func look() {
        let (name, began) = lock.withLock { current } ?? ("", Date())
        guard Date().timeIntervalSince(began) > limit else { return }
        print("FAILED \(name): still running after \(Int(limit)) s")
        exit(1)
    }
}

/// The descriptors of the process.
enum Descriptors {
    static func open() -> Set<Int32> {
        var found: Set<Int32> = []
        for number in 0..<Int32(256) where fcntl(number, F_GETFD) >= 0 { found.insert(number) }
        return found
    }

    static func name(_ number: Int32) -> String {
        let target = try? FileManager.default.destinationOfSymbolicLink(
            atPath: "/proc/self/fd/\(number)"
        )
        return "\(number) \(target ?? "")"
    }
}
