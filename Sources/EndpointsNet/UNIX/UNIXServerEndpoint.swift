// UNIXServerEndpoint: a path, who may connect, and a lock.
//
// The lock file is on in strings and off in code, as in Twisted: a string is written by an operator
// who may start the same server twice, code by somebody who knows. So an endpoint made in code
// prints with `lockfile=0`.

import EndpointStrings
import EndpointsCore

/// Listens on a UNIX socket: `unix:PATH`, or `unix:@NAME` in the abstract namespace (unix(7)).
public struct UNIXServerEndpoint: ServerEndpoint, EndpointKind, Hashable {
    /// The kind's name.
    public static let kind = "unix"
    /// What it is for.
    public static let summary = "listens on a UNIX socket"
    /// What it can do besides opening network connections.
    public static let powers: Set<EndpointPower> = [.reachesLocalSocket]
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<UNIXServerEndpoint>] = [
        .required(
            "address",
            \.path,
            as: .unixPath,
            position: 0,
            aliases: ["path"],
            help: "path of the socket, or @ and an abstract name"
        ),
        .optional(
            "mode",
            \.mode,
            as: .mode,
            position: 1,
            help: "permissions of the socket's file, in octal; who may write may connect"
        ),
        .optional(
            "backlog",
            \.backlog,
            as: .backlog,
            position: 2,
            help: "connections that may wait to be accepted"
        ),
        .optional(
            "lockfile",
            \.lockfile,
            position: 3,
            help: "hold the path by a lock file beside it, and remove a dead server's socket"
        ),
        .optional(
            "user",
            \.user,
            as: .account("user"),
            help: "owner of the socket's file, by name or number"
        ),
        .optional(
            "group",
            \.group,
            as: .account("group"),
            help: "group of the socket's file, by name or number"
        ),
    ]

    /// The path of the socket; with `@` or NUL in front, a name in the abstract namespace.
    public var path = ""
    /// The permissions of the socket's file (chmod(2)); 0666 unless told.
    public var mode: UInt16 = 0o666
    /// The owner of the socket's file, by name or number; this process's user if `nil`.
    ///
    /// Only root may give a file to another user. An abstract name has no owner and no group.
    public var user: String?
    /// The group of the socket's file, by name or number; this process's group if `nil`.
    ///
    /// With `mode=660` the members of the group may connect. A process that is not root may set a group
    /// of its own.
    public var group: String?
    /// How many connections may wait to be accepted; the kernel caps it at `net.core.somaxconn`.
    public var backlog = 4096
    /// Whether a symbolic link `PATH.lock` to our process holds the path.
    public var lockfile = true

    /// Makes an endpoint as a string does, with a lock file; the path is still to be filled in.
    public init() {}

    /// Makes an endpoint, without a lock file unless told.
    ///
    /// - Parameters:
    ///   - path: The path; with `@` or NUL in front, a name in the abstract namespace.
    ///   - mode: The permissions of the socket's file.
    ///   - backlog: How many connections may wait to be accepted.
    ///   - lockfile: Whether a symbolic link `PATH.lock` to our process holds the path.
    public init(
        path: String,
        mode: UInt16 = 0o666,
        backlog: Int = 4096,
        lockfile: Bool = false
    ) {
        self.path = path
        self.mode = mode
        self.backlog = backlog
        self.lockfile = lockfile
    }

    /// Refuses an owner for an abstract name.
    public func validate() throws {
        guard SocketAddress(path: path).isAbstract, user != nil || group != nil else { return }
        throw EndpointArgumentError(
            "needs a path: an abstract name has no file",
            argument: user != nil ? "user" : "group"
        )
    }

    /// Listens; see ``ServerEndpoint/listen(in:)``.
    ///
    /// The file of the socket has its owner, group and mode before anybody can connect.
    ///
    /// - Throws: ``EndpointError``, among others `notFound` for a user or group that there is not,
    ///   `permissionDenied` where this process may not set it, and `addressInUse` if the path is taken,
    ///   also by something that was put there while the socket was being made.
    public func listen(in context: EndpointContext) async throws -> Listener {
        try await UNIXListening.listen(
            path: path,
            mode: mode,
            user: user,
            group: group,
            backlog: backlog,
            lockfile: lockfile,
            endpoint: context.name(of: self),
            in: context
        )
    }
}

extension ServerEndpoint where Self == UNIXServerEndpoint {
    /// Listens on a UNIX socket, without a lock file unless told.
    ///
    /// - Parameters:
    ///   - path: The path; with `@` or NUL in front, a name in the abstract namespace.
    ///   - mode: The permissions of the socket's file; 0666 unless told.
    ///   - backlog: How many connections may wait to be accepted.
    ///   - lockfile: Whether a symbolic link `PATH.lock` to our process holds the path.
    /// - Returns: The endpoint.
    public static func unix(
        path: String,
        mode: UInt16 = 0o666,
        backlog: Int = 4096,
        lockfile: Bool = false
    ) -> UNIXServerEndpoint {
        UNIXServerEndpoint(path: path, mode: mode, backlog: backlog, lockfile: lockfile)
    }
}
