// What the kernel says of sockets. Tests run beside each other in one process, so that counting its
// descriptors would count those of other tests: these count the sockets of one port.

import CEndpoints

@testable import Endpoints

/// The text of a file; empty if there is none.
func contents(of path: String) -> String {
    let opened = endpoints_open(path, O_RDONLY, 0)
    guard opened >= 0 else { return "" }
    let descriptor = OwnedDescriptor(opened)
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = endpoints_read(descriptor.rawValue, &block, block.count)
        guard count > 0 else { break }
        bytes.append(contentsOf: block[..<count])
    }
    return String(decoding: bytes, as: UTF8.self)
}

/// How many sockets that a process still holds are connected, or being connected, to a TCP port.
func openSockets(toPort port: UInt16) -> Int {
    let digits = String(port, radix: 16, uppercase: true)
    let suffix = ":" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    var count = 0
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        for line in contents(of: table).split(separator: "\n").dropFirst() {
            // sl, local, remote, st, queues, timer, retransmits, uid, timeout, inode (proc(5)).
            let fields = line.split(separator: " ")
            guard fields.count > 9, fields[2].hasSuffix(suffix), fields[9] != "0" else { continue }
            count += 1
        }
    }
    return count
}
