// What `websocket` has in common on both sides: what its strings say of the stream, and what carries it.

import Endpoints
import Logging

/// An endpoint whose connections are streams over WebSocket frames.
protocol WebSocketKind: EndpointKind {
    var limit: Int { get set }
    var closeTimeout: Duration { get set }
}

extension WebSocketClientEndpoint: WebSocketKind {}
extension WebSocketServerEndpoint: WebSocketKind {}

extension WebSocketKind {
    static var streamArguments: [EndpointArgument<Self>] {
        [
            .optional(
                "limit",
                \.limit,
                as: .integer(in: 1...Int.max),
                help: "bytes that a frame of the peer's may have"
            ),
            .optional(
                "closeTimeout",
                \.closeTimeout,
                help: "seconds that the peer may be silent after our close"
            ),
        ]
    }

    /// Makes the program's connection of one behind its handshake.
    func carry(
        over wire: Connection,
        after rest: [UInt8],
        role: WebSocketRole,
        logger: Logger
    ) -> Connection {
        WebSocketCarrier.carry(
            over: wire,
            after: rest,
            role: role,
            limit: limit,
            closeTimeout: closeTimeout,
            logger: logger
        )
    }

    /// Refuses a path or a host that would break the head in which it stands.
    func checkRequest(host: String?, path: String) throws {
        let isClean = { (text: String) in text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } }
        guard path.hasPrefix("/"), isClean(path) else {
            throw EndpointArgumentError(
                "is no path: it begins with a slash, and what is not ASCII is percent-encoded",
                argument: "path"
            )
        }
        if let host, host.isEmpty || !isClean(host) {
            throw EndpointArgumentError("is no host", argument: "host")
        }
    }
}
