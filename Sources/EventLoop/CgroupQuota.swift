import CEndpoints

/// The cores that this process's control group allows, rounded up; `nil` without a limit (cgroups(7)).
func cgroupQuota() -> Int? {
    guard let membership = readSmallFile("/proc/self/cgroup") else { return nil }
    let unified = membership.split(separator: "\n").first { $0.hasPrefix("0::") }
    guard let path = unified?.dropFirst(3) else { return nil }
    return readSmallFile("/sys/fs/cgroup\(path)/cpu.max").flatMap(quota(fromCPUMax:))
}

/// Reads `MAX PERIOD` of cpu.max; `max` is no limit.
func quota(fromCPUMax text: String) -> Int? {
    let fields = text.split { $0 == " " || $0 == "\n" }
    guard fields.count == 2, let quota = Int(fields[0]), let period = Int(fields[1]) else {
        return nil
    }
    guard quota > 0 && period > 0 else { return nil }
    return (quota - 1) / period + 1
}

private func readSmallFile(_ path: String) -> String? {
    let descriptor = endpoints_open(path, O_RDONLY, 0)
    guard descriptor >= 0 else { return nil }
    defer { _ = endpoints_close(descriptor) }
    let bytes = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
        count = max(endpoints_read(descriptor, buffer.baseAddress, buffer.count), 0)
    }
    return String(decoding: bytes, as: UTF8.self)
}
