// What a caller asks for is checked and turned into values here; TCPConnectAttempt does the work.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// Makes TCP connections by name or literal.
package enum TCPConnector {
    /// A socket that is connected; closed with the last copy, unless its descriptor was taken.
    struct Connected: Sendable {
        let socket: ConnectedSocket
        package let address: SocketAddress
        let timeline: ConnectionTimeline
    }

    /// Connects to a host, by the first of its addresses that answers (RFC 8305).
    ///
    /// Cancellation: at any point; every descriptor is closed before it throws, that of a connection
    /// which had succeeded in the meantime, too.
    ///
    /// The host is a literal, or a name that is looked up in `family`, in both at once unless told.
    /// `bindAddress` is the local address, a literal or a name; only addresses of its family are
    /// tried, and the kernel chooses its port unless one stands behind it. `timeout` bounds all of it, look-ups and attempts;
    /// `nil` is no limit. `endpoint` is what errors call it.
    ///
    /// Throws ``EndpointError`` with an entry for each address in `attempts`, or `CancellationError`.
    package static func connect(
        host: String,
        port: UInt16,
        family: AddressFamily? = nil,
        options: TCPOptions = TCPOptions(),
        bindAddress: String? = nil,
        timeout: Duration? = nil,
        endpoint: String,
        in context: EndpointContext
    ) async throws -> Connection {
        try context.checkBegin("connect", endpoint)
        let loop = context.nextLoop()
        let connected = try await open(
            host: host,
            port: port,
            family: family,
            options: options,
            bindAddress: bindAddress,
            timeout: timeout,
            endpoint: endpoint,
            resolver: context.resolver,
            trace: context.trace,
            on: loop
        )
        guard let descriptor = connected.socket.take() else { throw CancellationError() }
        let facts = ConnectionFacts(
            localAddress: SocketAddress(localOf: descriptor.rawValue),
            remoteAddress: connected.address,
            timeline: connected.timeline
        )
        let origin = ConnectionOrigin(endpoint: endpoint, in: context)
        return Connection.make(descriptor, facts: facts, origin: origin, on: loop)
    }

    /// What `connect` does, up to the connected socket.
    static func open(
        host: String,
        port: UInt16,
        family: AddressFamily? = nil,
        options: TCPOptions = TCPOptions(),
        bindAddress: String? = nil,
        timeout: Duration? = nil,
        endpoint: String,
        resolver: any NameResolver,
        trace: ConnectTrace? = nil,
        on loop: EventLoop
    ) async throws -> Connected {
        try Task.checkCancellation()
        let target = try Host(host, port: port, operation: "connect", endpoint: endpoint)
        let place = bindAddress.map(LocalPlace.init)
        let source = try place.map {
            try Host($0.host, port: $0.port, operation: "connect", endpoint: endpoint)
        }
        var families: Set<AddressFamily> = [.ipv4, .ipv6]
        if let family { families = [family] }
        for case .address(let literal)? in [target, source] {
            guard let only = literal.family, families.contains(only) else {
                let wanted = families.first?.description ?? "IP"
                throw EndpointError(
                    .invalidArgument,
                    operation: "connect",
                    endpoint: endpoint,
                    reason: "\(literal.ip ?? "it") is not an \(wanted) address"
                )
            }
            families = [only]
        }
        let request = TCPConnectAttempt.Request(
            target: target,
            port: port,
            source: source,
            sourcePort: place?.port ?? 0,
            families: families,
            options: options,
            timeout: timeout,
            endpoint: endpoint,
            resolver: resolver,
            trace: trace
        )
        var attempt = TCPConnectAttempt(request, on: loop)
        return try await attempt.run()
    }
}
