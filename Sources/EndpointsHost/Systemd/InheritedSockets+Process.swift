import CEndpoints
import EndpointStrings
import EndpointsCore

extension InheritedSockets {
    /// The sockets that this process was started with by a name (`LISTEN_FDNAMES`); `nil` if there
    /// are none.
    ///
    /// `isShared` says whether somebody keeps them while this process runs.
    ///
    /// - Throws: ``EndpointError`` if what has the name does not listen, or was taken before.
    package static func ofProcess(name: String, isShared: Bool) throws -> InheritedSockets? {
        do throws(ActivatedSockets.Refusal) {
            let passed = try ActivatedSockets.ofProcess.take(.name(name), domain: nil)
            for socket in passed { _ = endpoints_set_nonblocking(socket.descriptor) }
            return InheritedSockets(passed.map(\.descriptor), isShared: isShared)
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
