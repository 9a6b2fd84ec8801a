// What the kernel says of sockets. Tests run beside each other in one process, so that counting its
// descriptors would count those of other tests: these count the sockets of one address.

import CEndpoints

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

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

/// How many sockets that a process still holds are connected, or being connected, to an IPv4 address.
func openSockets(to address: SocketAddress) -> Int {
    guard case .ipv4(let ip, let port) = address.storage else { return 0 }
    func hexadecimal(_ number: some FixedWidthInteger, digits: Int) -> String {
        let text = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
    let remote = "\(hexadecimal(ip.bigEndian, digits: 8)):\(hexadecimal(port, digits: 4))"
    // The table changes while it is read, and may tell of a socket twice.
    var inodes: Set<Substring> = []
    for line in contents(of: "/proc/self/net/tcp").split(separator: "\n").dropFirst() {
        // sl, local, remote, st, queues, timer, retransmits, uid, timeout, inode (proc(5)).
        let fields = line.split(separator: " ")
        if fields.count > 9, fields[2] == remote, fields[9] != "0" { inodes.insert(fields[9]) }
    }
    return inodes.count
}
