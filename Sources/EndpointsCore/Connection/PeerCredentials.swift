import CEndpoints

/// Who is at the other end of a UNIX socket: SO_PEERCRED of unix(7), taken when it connected.
public struct PeerCredentials: Sendable, Hashable {
    /// The process; it may have ended since, and its number been given to another.
    public var pid: Int32
    /// The effective user.
    public var uid: UInt32
    /// The effective group.
    public var gid: UInt32
}

extension PeerCredentials {
    /// Who was at the other end when it connected or began to listen (SO_PEERCRED, unix(7)).
    package init?(of descriptor: Int32) {
        var credentials = endpoints_credentials()
        guard endpoints_peer_credentials(descriptor, &credentials) == 0 else { return nil }
        self.init(pid: credentials.pid, uid: credentials.uid, gid: credentials.gid)
    }
}
