// The program's own input and output as a connection: what inetd, a shell's pipe or a parent process
// gives.
//
// There is one of them in a process, so whoever comes second is told; and when it is closed,
// /dev/null takes its place, so that the end is seen at the other side while the program goes on. As a
// server it is a listener that yields one connection and then ends.

import EndpointStrings
import EndpointsCore
import EventLoop
import Synchronization

/// Standard input and output as one connection, on either side: `stdio:`.
///
/// Of the process's descriptors 0 and 1 a process can make one connection, once. Nothing else
/// may read or write them meanwhile.
public struct StdioEndpoint: ClientEndpoint, ServerEndpoint, EndpointKind, Hashable {
    /// The kind's name.
    public static let kind = "stdio"
    /// What it is for.
    public static let summary = "the program's own standard input and output"
    /// What it can do besides opening network connections.
    public static let powers: Set<EndpointPower> = [.usesStandardStreams]
    /// It has none.
    public static let arguments: [EndpointArgument<StdioEndpoint>] = []

    /// Whether the descriptors have been given to a connection.
    private static let isTaken = Atomic<Bool>(false)

    /// Makes the endpoint; they are all equal.
    public init() {}

    /// Makes the connection; see ``ClientEndpoint/connect(in:)``.
    ///
    /// - Throws: ``EndpointError``: `closed` if there was one already, a system error if a descriptor is
    ///   not open.
    public func connect(in context: EndpointContext) async throws -> Connection {
        try context.checkBegin("connect", redacted)
        return Connection.make(
            over: try makeTransport("connect", redacted),
            facts: Self.facts,
            origin: ConnectionOrigin(endpoint: redacted, in: context),
            on: context.nextLoop()
        )
    }

    /// Makes a listener that yields the connection and ends; see ``ServerEndpoint/listen(in:)``.
    ///
    /// - Throws: As ``connect(in:)``.
    public func listen(in context: EndpointContext) async throws -> Listener {
        let name = context.name(of: self)
        try context.checkBegin("listen", name)
        let source = StdioSource(try makeTransport("listen", name), Self.facts)
        return Listener.make([source], endpoint: name, in: context)
    }

    private static var facts: ConnectionFacts {
        let address = SocketAddress(named: "stdio:")
        return ConnectionFacts(localAddress: address, remoteAddress: address)
    }

    private func makeTransport(
        _ operation: String,
        _ name: String
    ) throws -> DescriptorTransport {
        guard !Self.isTaken.exchange(true, ordering: .acquiringAndReleasing) else {
            throw EndpointError(
                .closed,
                operation: operation,
                endpoint: name,
                reason: "standard input and output are in use, or were"
            )
        }
        let input = try DescriptorEnd(inherited: 0, .input, endpoint: name)
        let output = try DescriptorEnd(inherited: 1, .output, endpoint: name)
        return DescriptorTransport(input: input, output: output)
    }
}

/// The one connection there is.
private final class StdioSource: ConnectionSource {
    private var transport: DescriptorTransport?
    private let facts: ConnectionFacts
    let queue = AcceptQueue()
    var address: SocketAddress { facts.localAddress }

    init(_ transport: DescriptorTransport, _ facts: ConnectionFacts) {
        self.transport = transport
        self.facts = facts
    }

    func next() -> Accepted {
        guard let transport else { return .ended }
        self.transport = nil
        return .connection(transport, facts)
    }

    func close(on loop: EventLoop) {
        transport?.close(on: loop, reset: false)
        transport = nil
    }
}
