import EndpointStrings
import EndpointsCore

/// Connects to a UNIX socket: `unix:PATH`, or `unix:@NAME` in the abstract namespace (unix(7)).
public struct UNIXClientEndpoint: ClientEndpoint, EndpointKind, Hashable {
    /// The kind's name.
    public static let kind = "unix"
    /// What it is for.
    public static let summary = "connects to a UNIX socket"
    /// What it can do besides opening network connections.
    public static let powers: Set<EndpointPower> = [.reachesLocalSocket]
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<UNIXClientEndpoint>] = [
        .required(
            "path",
            \.path,
            as: .unixPath,
            position: 0,
            aliases: ["address"],
            help: "path of the socket, or @ and an abstract name"
        ),
        .optional("timeout", \.timeout, help: "seconds that all of connecting may take"),
        .optional(
            "checkPID",
            \.checkPID,
            aliases: ["lockfile"],
            help: "connect only if the lock file names a process that lives"
        ),
    ]

    /// The path of the socket; with `@` or NUL in front, a name in the abstract namespace.
    public var path = ""
    /// How long connecting may take; 30 seconds unless told.
    public var timeout: Duration = .seconds(30)
    /// Whether to look first if the lock file names a process that lives; off unless told.
    public var checkPID = false

    /// Makes an endpoint whose path is still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameter path: The path; with `@` or NUL in front, a name in the abstract namespace.
    public init(path: String) {
        self.path = path
    }

    /// Connects; see ``ClientEndpoint/connect(in:)``.
    public func connect(in context: EndpointContext) async throws -> Connection {
        try await UNIXConnector.connect(
            path: path,
            checkPID: checkPID,
            timeout: timeout,
            endpoint: redacted,
            in: context
        )
    }
}

extension ClientEndpoint where Self == UNIXClientEndpoint {
    /// Connects to a UNIX socket.
    ///
    /// - Parameter path: The path; with `@` or NUL in front, a name in the abstract namespace.
    /// - Returns: The endpoint.
    public static func unix(path: String) -> UNIXClientEndpoint {
        UNIXClientEndpoint(path: path)
    }
}
