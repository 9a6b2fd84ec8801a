import CEndpoints
import Endpoints
import EventLoop

/// Our end of the pipe by which a successor says that it is ready.
final class SuccessorPipe: Sendable {
    private let descriptor: Int32

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        _ = endpoints_set_nonblocking(descriptor)
    }

    deinit { if descriptor >= 0 { _ = endpoints_close(descriptor) } }

    /// Waits for a byte; false if the other end was closed without.
    func waitForByte() async throws -> Bool {
        var byte: UInt8 = 0
        while true {
            let count = endpoints_read(descriptor, &byte, 1)
            if count >= 0 { return count == 1 }
            guard count == -Int(EAGAIN) else {
                throw EndpointError(
                    errno: Int32(count),
                    operation: "wait for",
                    endpoint: "successor"
                )
            }
            let loop = EventLoop.current ?? EventLoopGroup.shared.next()
            _ = try await loop.nextEvent(of: descriptor)
        }
    }
}
