// Programs wired without sockets: the same strings on both sides, the same rules as a socket's
// (64 KiB wait in each direction, half-close, reset), and a name in place of an address.

import EndpointStrings
import EndpointsCore
import EventLoop

/// Listens by a name inside this process: `memory:NAME`.
public struct MemoryServerEndpoint: ServerEndpoint, EndpointKind, Hashable {
    /// The kind's name.
    public static let kind = "memory"
    /// What it is for.
    public static let summary = "listens by a name inside this process, without a socket"
    /// What it can do besides opening network connections.
    public static let powers: Set<EndpointPower> = [.reachesLocalSocket]
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<MemoryServerEndpoint>] = [
        .required("name", \.name, position: 0, help: "name, known in this process only"),
        .optional(
            "backlog",
            \.backlog,
            as: .integer(in: 1...65_536),
            position: 1,
            help: "connections that may wait to be accepted"
        ),
    ]

    /// The name; any text.
    public var name = ""
    /// How many connections may wait to be accepted; 4096 unless told.
    public var backlog = 4096

    /// Makes an endpoint whose name is still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - name: The name; any text.
    ///   - backlog: How many connections may wait to be accepted, at least 1.
    public init(name: String, backlog: Int = 4096) {
        self.name = name
        self.backlog = backlog
    }

    /// Listens; see ``ServerEndpoint/listen(in:)``.
    ///
    /// - Throws: ``EndpointError`` with code `addressInUse` while another listener has the name.
    public func listen(in context: EndpointContext) async throws -> Listener {
        try context.checkBegin("listen", context.name(of: self))
        guard let listening = MemoryListening.begin(name, backlog: backlog) else {
            throw EndpointError(
                .addressInUse,
                operation: "listen",
                endpoint: context.name(of: self),
                reason: "another listener of this process has the name"
            )
        }
        let source = MemorySource(listening, name: name)
        return Listener.make([source], endpoint: context.name(of: self), in: context)
    }
}

/// Connects to what listens by a name inside this process: `memory:NAME`.
public struct MemoryClientEndpoint: ClientEndpoint, EndpointKind, Hashable {
    /// The kind's name.
    public static let kind = "memory"
    /// What it is for.
    public static let summary = "connects to a name inside this process, without a socket"
    /// What it can do besides opening network connections.
    public static let powers: Set<EndpointPower> = [.reachesLocalSocket]
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<MemoryClientEndpoint>] = [
        .required("name", \.name, position: 0, help: "name, known in this process only"),
        .optional("timeout", \.timeout, help: "seconds to wait for room in the backlog"),
    ]
    private static let firstDelay = Duration.milliseconds(1)
    private static let longestDelay = Duration.milliseconds(100)

    /// The name; any text.
    public var name = ""
    /// How long to wait for room in the listener's backlog; 30 seconds unless told.
    public var timeout: Duration = .seconds(30)

    /// Makes an endpoint whose name is still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameter name: The name; any text.
    public init(name: String) { self.name = name }

    /// Connects; see ``ClientEndpoint/connect(in:)``.
    ///
    /// - Throws: ``EndpointError``: `connectionRefused` if nobody listens by the name, `timedOut` if
    ///   there was no room in its backlog.
    public func connect(in context: EndpointContext) async throws -> Connection {
        try context.checkBegin("connect", redacted)
        let loop = context.nextLoop()
        let begin = ContinuousClock.now
        let (own, other) = MemoryTransport.makePair()
        var delay = Self.firstDelay
        while true {
            switch MemoryListening.find(name)?.offer(other) ?? .closed {
            case .taken:
                var timeline = ConnectionTimeline()
                timeline.connect = .init(start: begin, duration: .now - begin)
                let address = SocketAddress.memory(name)
                return Connection.make(
                    over: own,
                    facts: ConnectionFacts(
                        localAddress: address,
                        remoteAddress: address,
                        timeline: timeline
                    ),
                    origin: ConnectionOrigin(endpoint: redacted, in: context),
                    on: loop
                )
            case .closed:
                throw failure(.connectionRefused, "nobody listens by this name in this process")
            case .full:
                let left = timeout - (.now - begin)
                guard left > .zero else {
                    let reason =
                        "timed out after \(timeout.inSeconds) waiting for room in the backlog"
                    throw failure(.timedOut, reason)
                }
                try await loop.sleep(for: min(delay, left), connecting: redacted)
                delay = min(delay * 2, Self.longestDelay)
            }
        }
    }

    private func failure(_ code: EndpointError.Code, _ reason: String) -> EndpointError {
        EndpointError(
            code,
            operation: "connect",
            endpoint: redacted,
            reason: reason,
            phase: .connect
        )
    }
}

extension ServerEndpoint where Self == MemoryServerEndpoint {
    /// Listens by a name inside this process.
    ///
    /// - Parameter name: The name; any text.
    /// - Returns: The endpoint.
    public static func memory(_ name: String) -> MemoryServerEndpoint {
        MemoryServerEndpoint(name: name)
    }
}

extension ClientEndpoint where Self == MemoryClientEndpoint {
    /// Connects to a name inside this process.
    ///
    /// - Parameter name: The name; any text.
    /// - Returns: The endpoint.
    public static func memory(_ name: String) -> MemoryClientEndpoint {
        MemoryClientEndpoint(name: name)
    }
}
