// The file of a socket that we have bound.
//
// Between bind(2) and chmod(2) the path can come to name something else: whoever may write to the
// directory can put a link, or another socket, in its place, and a server that runs as root would then
// change the mode and the owner of that. So the file is opened once, as an entry and not through a link
// (O_PATH, O_NOFOLLOW), it is made sure that it is the one that bind made, and everything else goes
// through the descriptor.
//
// Which one bind made only the kernel knows. It tells those who have CAP_NET_ADMIN (SIOCUNIXFILE), so
// root, whose mistakes count, is never wrong. Without it, what bind made is a socket of this user's, with
// one name. Somebody else's file cannot be changed by us then anyway.

import CEndpoints
import EndpointsCore

/// The file of a socket that we have bound.
final class UNIXSocketFile: Sendable {
    private let path: String
    /// Of the file itself (O_PATH): as long as it is open no other file gets the same inode.
    private let entry: OwnedDescriptor
    private let device: UInt64
    private let inode: UInt64

    /// Takes hold of the file that `socket` has just been bound to at `path`.
    ///
    /// Without `asksKernel` it does what it does without CAP_NET_ADMIN. Throws ``EndpointError``, with
    /// code `addressInUse` if something else is there by now.
    convenience init(
        boundBy socket: Int32,
        at path: String,
        endpoint: String,
        asksKernel: Bool = true
    ) throws {
        let path = absolutePath(path)
        var opened = asksKernel ? endpoints_open_bound_entry(socket) : -ENOSYS
        let isCertain = opened >= 0
        if !isCertain { opened = endpoints_open_entry(path) }
        guard opened >= 0 else {
            // Too many descriptors, for one: what bind made is still there.
            _ = endpoints_unlink(path)
            throw EndpointError(errno: opened, operation: "listen", endpoint: endpoint)
        }
        let entry = OwnedDescriptor(opened)
        var file = endpoints_file()
        _ = endpoints_fstat(opened, &file)
        let isOurs =
            endpoints_is_socket(file.mode) != 0
            && (isCertain || (file.owner == geteuid() && file.links == 1))
        guard isOurs, Self.names(path, file) else {
            throw EndpointError(
                .addressInUse,
                operation: "listen",
                endpoint: endpoint,
                reason: "something else took the place of the socket as soon as it was there",
                systemError: SystemError(errno: EADDRINUSE)
            )
        }
        self.init(path, consume entry, file)
    }

    /// Takes charge of the file of a socket that another process has bound.
    ///
    /// - Throws: ``EndpointError``.
    convenience init(inheritedAt path: String, endpoint: String) throws {
        let path = absolutePath(path)
        let opened = endpoints_open_entry(path)
        guard opened >= 0 else {
            throw EndpointError(errno: opened, operation: "listen", endpoint: endpoint)
        }
        var file = endpoints_file()
        _ = endpoints_fstat(opened, &file)
        self.init(path, OwnedDescriptor(opened), file)
    }

    private init(_ path: String, _ entry: consuming OwnedDescriptor, _ file: endpoints_file) {
        self.path = path
        self.entry = entry
        device = file.device
        inode = file.inode
    }

    /// Sets owner, group and mode, in this order: a new owner clears bits of the mode.
    ///
    /// - Throws: ``EndpointError``.
    func set(_ access: UNIXAccess, endpoint: String) throws {
        func check(_ result: Int32, _ what: String, _ advice: String? = nil) throws {
            guard result != 0 else { return }
            throw EndpointError(
                errno: result,
                operation: "listen",
                endpoint: endpoint,
                reason: "cannot set the \(what) of the socket",
                advice: advice
            )
        }
        if let owners = try access.owners(endpoint: endpoint) {
            try check(
                endpoints_chown_entry(entry.rawValue, owners.user, owners.group),
                "owner",
                "only root may give it away; a group must be one of this process's"
            )
        }
        let result = endpoints_chmod_entry(entry.rawValue, UInt32(access.mode))
        try check(result, "mode", result == -ENOENT ? "/proc is not mounted" : nil)
    }

    /// Removes the file, if it is still there and still ours.
    func remove() {
        var file = endpoints_file()
        file.device = device
        file.inode = inode
        if Self.names(path, file) { _ = endpoints_unlink(path) }
    }

    /// Whether a path names just this file, and not a link to it.
    private static func names(_ path: String, _ file: endpoints_file) -> Bool {
        var named = endpoints_file()
        guard endpoints_lstat(path, &named) == 0 else { return false }
        return named.device == file.device && named.inode == file.inode
    }
}
