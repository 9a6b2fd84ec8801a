// A descriptor that whoever started the program has left open, by its number.
//
// A number says nothing: once closed, the next file that is opened gets it, and who then adopted it
// again (a client that reconnects, for one) would steal somebody else's file. So each number is
// adopted once in a process, unless `detach` has given it back.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// A socket that the program was started with, by its number: `fd:3`.
///
/// On a server's side it is one that listens, on a client's one that is connected.
/// The descriptor belongs to the listener or the connection from then on, which closes it.
public struct DescriptorEndpoint: ClientEndpoint, ServerEndpoint, EndpointKind, Hashable {
    /// The kind's name.
    public static let kind = "fd"
    /// What it is for.
    public static let summary = "a socket that the program was started with, by its number"
    /// What it can do besides opening network connections.
    public static let powers: Set<EndpointPower> = [.adoptsDescriptor]
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<DescriptorEndpoint>] = [
        .required(
            "descriptor",
            \.descriptor,
            as: .integer(in: 0...Int32.max),
            position: 0,
            aliases: ["fd", "fileno"],
            help: "number of the descriptor; stdio: is for 0 and 1"
        )
    ]

    private static let adopted = Lock(Set<Int32>())

    /// The descriptor's number.
    public var descriptor: Int32 = 0

    /// Makes an endpoint whose descriptor is still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameter descriptor: A stream socket that nobody else in this process uses or closes.
    public init(descriptor: Int32) { self.descriptor = descriptor }

    /// Adopts a connected socket; see ``ClientEndpoint/connect(in:)``.
    ///
    /// - Throws: ``EndpointError``: `invalidArgument` if the descriptor is something else, and then it is
    ///   left as it was; `closed` if it was adopted before.
    public func connect(in context: EndpointContext) async throws -> Connection {
        try context.checkBegin("connect", redacted)
        let kind = DescriptorKind(of: descriptor)
        guard case .connected(let domain) = kind else {
            throw wrong("connect", redacted, kind, expected: "a connected stream socket")
        }
        try adopt("connect", redacted)
        _ = endpoints_set_nonblocking(descriptor)
        _ = endpoints_set_close_on_exec(descriptor)
        let facts = ConnectionFacts(
            localAddress: SocketAddress(localOf: descriptor),
            remoteAddress: SocketAddress(remoteOf: descriptor) ?? SocketAddress(path: ""),
            peerCredentials: domain == AF_UNIX ? PeerCredentials(of: descriptor) : nil
        )
        return Connection.make(
            OwnedDescriptor(descriptor),
            facts: facts,
            origin: ConnectionOrigin(endpoint: redacted, in: context),
            on: context.nextLoop()
        )
    }

    /// Adopts a listening socket; see ``ServerEndpoint/listen(in:)``.
    ///
    /// Others may hold the socket too: its path stays when the listener is closed, and so do the
    /// connections that wait in its queue.
    ///
    /// - Throws: As ``connect(in:)``.
    public func listen(in context: EndpointContext) async throws -> Listener {
        let name = context.name(of: self)
        try context.checkBegin("listen", name)
        let kind = DescriptorKind(of: descriptor)
        guard case .listening = kind else {
            throw wrong("listen", name, kind, expected: "a listening stream socket")
        }
        try adopt("listen", name)
        let socket = ListeningSocket.shared(OwnedDescriptor(descriptor))
        return Listener.make([socket], endpoint: name, in: context)
    }

    private func adopt(_ operation: String, _ name: String) throws {
        let isNew = Self.adopted.withLock { $0.insert(descriptor).inserted }
        guard isNew else {
            throw EndpointError(
                .closed,
                operation: operation,
                endpoint: name,
                reason: "the descriptor was adopted before"
            )
        }
    }

    /// A descriptor was given back, and can be adopted once more.
    static func release(_ descriptor: Int32) {
        _ = adopted.withLock { $0.remove(descriptor) }
    }

    private func wrong(
        _ operation: String,
        _ name: String,
        _ kind: DescriptorKind,
        expected: String
    ) -> EndpointError {
        EndpointError(
            .invalidArgument,
            operation: operation,
            endpoint: name,
            reason: "descriptor \(descriptor) is \(kind), not \(expected)"
        )
    }
}
