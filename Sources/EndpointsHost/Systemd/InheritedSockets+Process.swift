import CEndpoints
import EndpointStrings
import EndpointsCore

extension InheritedSockets {
    /// The sockets that this process was started with by a name (`LISTEN_FDNAMES`); `nil` if there
    /// are none.
    ///
    /// `isHeld` says whether somebody keeps them while this process runs, as systemd does; `share` is
    /// the predecessor's, which ends when it is told to go.
    ///
    /// - Throws: ``EndpointError`` if what has the name does not listen, or was taken before.
    package static func ofProcess(
        name: String,
        isHeld: Bool,
        share: SocketShare?
    ) throws -> InheritedSockets? {
        do throws(ActivatedSockets.Refusal) {
            let passed = try ActivatedSockets.ofProcess.take(.name(name), domain: nil)
            for socket in passed { _ = endpoints_set_nonblocking(socket.descriptor) }
            return InheritedSockets(passed.map(\.descriptor), isHeld: isHeld, share: share)
        } catch {
            if error.code == .notFound { return nil }
            throw EndpointError(
                error.code,
                operation: "inherit",
                endpoint: "\"\(name)\"",
                reason: error.reason
            )
        }
    }
}
