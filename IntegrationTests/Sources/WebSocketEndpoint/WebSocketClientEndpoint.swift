// A third party's kind, client's side: a value with declared arguments, and `connect`, which wraps
// what another endpoint connects to. Nothing here is known to the library but what it makes public.

import Endpoints

/// Connects to a WebSocket over any endpoint, as a stream of bytes:
/// `websocket:path=/chat:tls:example.com:443`.
///
/// What is written goes out as binary messages, what the peer's messages hold is read, text as its
/// UTF-8. A close frame is the end of a direction.
public struct WebSocketClientEndpoint: ClientEndpoint, EndpointKind {
    /// The kind's name.
    public static let kind = "websocket"
    /// What it is for.
    public static let summary = "connects to a WebSocket (RFC 6455), as a stream of bytes"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<WebSocketClientEndpoint>] =
        [
            .optional("path", \.path, help: "what to ask for, with its query"),
            .optional("host", \.host, help: "the Host field; the address connected to unless told"),
            .optional("timeout", \.timeout, help: "seconds that all of connecting may take"),
        ] + streamArguments + [
            .prefixed("endpoint", \.endpoint, help: "where to connect")
        ]

    /// What to ask for, with its query.
    public var path = "/"
    /// The Host field; unless told the address that is connected to, or `localhost` where it is none
    /// of TCP's.
    public var host: String?
    /// How long all of connecting may take; 30 seconds unless told.
    public var timeout: Duration = .seconds(30)
    /// How many bytes a frame of the peer's may have; 16 MiB unless told.
    public var limit = 16 << 20
    /// How long the peer may be silent after our close; 30 seconds unless told.
    public var closeTimeout: Duration = .seconds(30)
    /// Where to connect.
    public var endpoint: any ClientEndpoint = UNIXClientEndpoint()

    /// Makes an endpoint whose inner one is still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - endpoint: Where to connect.
    ///   - path: What to ask for.
    public init(_ endpoint: any ClientEndpoint, path: String = "/") {
        self.endpoint = endpoint
        self.path = path
    }

    /// Refuses what cannot stand in a request.
    public func validate() throws { try checkRequest(host: host, path: path) }

    /// Connects, and asks for the WebSocket; see ``ClientEndpoint/connect(in:)``.
    ///
    /// - Throws: `EndpointError`: what connecting throws; `handshakeFailed` with the peer's answer.
    public func connect(in context: EndpointContext) async throws -> Connection {
        do {
            return try await withTimeout(timeout) { try await open(in: context) }
        } catch let error as TimeoutError {
            throw EndpointError(
                .timedOut,
                operation: "connect",
                endpoint: description,
                reason: "\(error)",
                phase: .handshake
            )
        }
    }

    private func open(in context: EndpointContext) async throws -> Connection {
        let wire = try await endpoint.connect(in: context)
        do {
            let address = wire.remoteAddress
            let host = host ?? (address.port == nil ? "localhost" : "\(address)")
            let rest = try await wire.askForWebSocket(
                host: host,
                path: path,
                endpoint: description
            )
            return carry(over: wire, after: rest, role: .client, logger: context.logger)
        } catch {
            wire.abort()
            throw error
        }
    }
}
