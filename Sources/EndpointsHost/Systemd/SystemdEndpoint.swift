import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// Listens on sockets that systemd has opened: `systemd:name=web`, `systemd:domain=INET:index=0`.
///
/// Of each socket a process can make one listener (systemd.socket(5), sd_listen_fds(3)). The socket
/// stays systemd's: closing the listener leaves its path and what waits in its queue.
public struct SystemdEndpoint: ServerEndpoint, EndpointKind, Hashable {
    /// The family of a socket.
    public enum Domain: String, Hashable, Sendable, CaseIterable, EndpointArgumentValue {
        /// IPv4.
        case inet = "INET"
        /// IPv6, and IPv4 on a socket that is both.
        case inet6 = "INET6"
        /// UNIX sockets.
        case unix = "UNIX"

        var number: Int32 {
            switch self {
            case .inet: AF_INET
            case .inet6: AF_INET6
            case .unix: AF_UNIX
            }
        }
    }

    /// The kind's name.
    public static let kind = "systemd"
    /// What it is for.
    public static let summary = "listens on a socket that systemd has opened"
    /// What it can do besides opening network connections.
    public static let powers: Set<EndpointPower> = [.adoptsDescriptor]
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<SystemdEndpoint>] = [
        .optional("domain", \.domain, position: 0, help: "family that the socket must have"),
        .optional(
            "index",
            \.index,
            as: .integer(in: 0...65_535),
            position: 1,
            help: "place among the sockets, from 0; dependable within one .socket file only"
        ),
        .optional(
            "name",
            \.name,
            help: "name (FileDescriptorName=); all sockets that have it are listened on"
        ),
    ]

    /// The family that the socket must have; any unless told.
    public var domain: Domain?
    /// The socket's place, from 0.
    public var index: Int?
    /// The sockets' name.
    public var name: String?

    /// Makes an endpoint whose index or name is still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - name: The name that `FileDescriptorName=` gives; all sockets of that name are meant.
    ///   - domain: The family that the sockets must have; any unless told.
    public init(name: String, domain: Domain? = nil) {
        self.name = name
        self.domain = domain
    }

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - index: The socket's place, from 0.
    ///   - domain: The family that the socket must have; any unless told.
    public init(index: Int, domain: Domain? = nil) {
        self.index = index
        self.domain = domain
    }

    /// Refuses an index beside a name, and neither.
    public func validate() throws {
        if index != nil && name != nil {
            throw EndpointArgumentError("cannot stand beside index", argument: "name")
        }
        if index == nil && name == nil {
            throw EndpointArgumentError("needs an index or a name", hint: "write systemd:name=…")
        }
    }

    /// Listens; see ``ServerEndpoint/listen(in:)``.
    ///
    /// - Throws: ``EndpointError``: `notFound` if there is no such socket, `invalidArgument` if it is
    ///   something else, `addressInUse` if it was listened on before.
    public func listen(in context: EndpointContext) async throws -> Listener {
        try await listen(in: context, among: .ofProcess)
    }

    func listen(
        in context: EndpointContext,
        among sockets: ActivatedSockets
    ) async throws -> Listener {
        try context.checkBegin("listen", context.name(of: self))
        guard let choice = name.map(ActivatedSockets.Choice.name) ?? index.map({ .index($0) })
        else {
            throw failure(.invalidArgument, context, "neither an index nor a name was given")
        }
        let chosen: [ActivatedSockets.Passed]
        do throws(ActivatedSockets.Refusal) {
            chosen = try sockets.take(choice, domain: domain?.number)
        } catch {
            throw failure(error.code, context, error.reason)
        }
        let listening = chosen.map { ListeningSocket.shared(OwnedDescriptor($0.descriptor)) }
        return Listener.make(listening, endpoint: context.name(of: self), in: context)
    }

    private func failure(
        _ code: EndpointError.Code,
        _ context: EndpointContext,
        _ reason: String
    ) -> EndpointError {
        let name = context.name(of: self)
        return EndpointError(code, operation: "listen", endpoint: name, reason: reason)
    }
}
