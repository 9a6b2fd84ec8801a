// A datagram socket in systemd's place.

import CEndpoints
import Endpoints
import EventLoop

final class NotifySocket: Sendable {
    private let descriptor: Int32
    private let path: String?
    /// What NOTIFY_SOCKET would say.
    let name: String

    /// Binds to an abstract name (`@…`), or to a path, which is removed in the end.
    init(_ name: String) throws {
        self.name = name
        path = name.utf8.first == UInt8(ascii: "@") ? nil : name
        descriptor = endpoints_socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var kernel = try SocketAddress(path: name).kernelAddress(operation: "bind", endpoint: name)
        let result = endpoints_bind(descriptor, &kernel.storage, kernel.length)
        if result < 0 { throw EndpointError(errno: result, operation: "bind", endpoint: name) }
    }

    deinit {
        _ = endpoints_close(descriptor)
        if let path { _ = endpoints_unlink(path) }
    }

    /// The lines of the next message, and the first descriptor that came with it.
    func receive() async throws -> (lines: [String], descriptor: Int32?) {
        while true {
            if let message = receiveNow() { return message }
            _ = try await EventLoopGroup.shared.next().nextEvent(of: descriptor)
        }
    }

    /// The next message if there is one.
    func receiveNow() -> (lines: [String], descriptor: Int32?)? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        // A cmsghdr of 16 bytes, then the descriptor (cmsg(3)).
        var control = [Int32](repeating: 0, count: 8)
        var controlLength = 0
        let count = bytes.withUnsafeMutableBytes { buffer in
            control.withUnsafeMutableBytes { controlBuffer in
                var part = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
                return withUnsafeMutablePointer(to: &part) { part in
                    var message = msghdr()
                    message.msg_iov = part
                    message.msg_iovlen = 1
                    message.msg_control = controlBuffer.baseAddress
                    message.msg_controllen = controlBuffer.count
                    let count = recvmsg(descriptor, &message, Int32(MSG_DONTWAIT))
                    controlLength = Int(message.msg_controllen)
                    return count
                }
            }
        }
        guard count >= 0 else { return nil }
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        return (lines, controlLength >= 20 ? control[4] : nil)
    }
}
