// /proc/PID/stat has the start of a process in clock ticks since boot, after a name in parentheses
// that may itself hold spaces and parentheses: fields are counted from the last one. /proc/stat has
// the time of the boot, in whole seconds.

import CEndpoints
import EndpointStrings
import EndpointsCore

/// When a process began, as /proc tells (proc(5)).
struct ProcessStart: Equatable {
    /// Nanoseconds since 1970; `nil` if the time of the boot is not known.
    let time: Int64?
    /// Whether it has ended and only waits to be reaped.
    let isZombie: Bool

    /// `nil` if there is no such process, or no /proc.
    init?(_ pid: Int32) {
        guard let stat = Self.read("/proc/\(pid)/stat") else { return nil }
        self.init(stat: stat, bootTime: Self.read("/proc/stat").flatMap(Self.bootTime))
    }

    /// Reads the text of /proc/PID/stat; the time of the boot is in seconds since 1970.
    init?(stat: String, bootTime: Int64?, ticksPerSecond: Int64 = Int64(sysconf(clockTicks))) {
        guard let name = stat.utf8.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        // The first of these is field 3, the state; field 22 is the start.
        let fields = stat[name...].dropFirst().split(separator: " ")
        guard fields.count > 19, let ticks = Int64(fields[19]), ticks >= 0 else { return nil }
        isZombie = fields[0] == "Z" || fields[0] == "X"
        guard let bootTime, ticksPerSecond > 0, ticks < 1 << 48 else {
            time = nil
            return
        }
        let sinceBoot = ticks / ticksPerSecond * 1_000_000_000
        let rest = ticks % ticksPerSecond * 1_000_000_000 / ticksPerSecond
        let (boot, isTooLate) = bootTime.multipliedReportingOverflow(by: 1_000_000_000)
        let (start, isOver) = boot.addingReportingOverflow(sinceBoot + rest)
        time = isTooLate || isOver ? nil : start
    }

    /// The `btime` line of /proc/stat.
    static func bootTime(_ stat: String) -> Int64? {
        for line in stat.split(separator: "\n") where line.hasPrefix("btime ") {
            return Int64(line.dropFirst(6))
        }
        return nil
    }

    private static let clockTicks = Int32(_SC_CLK_TCK)
    private static let longestFile = 1 << 20

    private static func read(_ path: String) -> String? {
        let opened = endpoints_open(path, O_RDONLY, 0)
        guard opened >= 0 else { return nil }
        let descriptor = OwnedDescriptor(opened)
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 4096)
        while bytes.count < longestFile {
            let count = endpoints_read(descriptor.rawValue, &block, block.count)
            if count == -Int(EINTR) { continue }
            guard count > 0 else { break }
            bytes.append(contentsOf: block[..<count])
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }
}
