// A third party's kind, server's side. `listen` listens on the endpoint within, after it has put its
// handshake into the context as a step that each connection goes through: beside others, in bounded
// time, and behind the steps of what wraps this one. `websocket:tls:…` is this around that.

import Endpoints

/// Listens for WebSockets on any endpoint, each a stream of bytes: `websocket:path=/chat:tcp:8080`.
///
/// What is written goes out as binary messages, what the peer's messages hold is read, text as its
/// UTF-8. A close frame is the end of a direction.
public struct WebSocketServerEndpoint: ServerEndpoint, EndpointKind {
    /// The kind's name.
    public static let kind = "websocket"
    /// What it is for.
    public static let summary = "listens for WebSockets (RFC 6455), each a stream of bytes"
    /// The arguments of the string.
    public static let arguments: [EndpointArgument<WebSocketServerEndpoint>] =
        [
            .optional("path", \.path, help: "the path that clients must ask for; any unless told"),
            .optional("host", \.host, help: "the host that clients must name; any unless told"),
            .optional("timeout", \.timeout, help: "seconds that the handshake may take"),
        ] + streamArguments + [
            .prefixed("endpoint", \.endpoint, help: "where to listen")
        ]

    /// The path that clients must ask for, without its query; any unless told.
    public var path: String?
    /// The host that clients must name, without the port; any unless told.
    public var host: String?
    /// How long the handshake may take; 10 seconds unless told.
    public var timeout: Duration = .seconds(10)
    /// How many bytes a frame of the peer's may have; 16 MiB unless told.
    public var limit = 16 << 20
    /// How long the peer may be silent after our close; 30 seconds unless told.
    public var closeTimeout: Duration = .seconds(30)
    /// Where to listen.
    public var endpoint: any ServerEndpoint = UNIXServerEndpoint()

    /// Makes an endpoint whose inner one is still to be filled in.
    public init() {}

    /// Makes an endpoint.
    ///
    /// - Parameters:
    ///   - endpoint: Where to listen.
    ///   - path: The path that clients must ask for; `nil` is any.
    public init(_ endpoint: any ServerEndpoint, path: String? = nil) {
        self.endpoint = endpoint
        self.path = path
    }

    /// Refuses what no request can have.
    public func validate() throws { try checkRequest(host: host, path: path ?? "/") }

    /// Listens; see ``ServerEndpoint/listen(in:)``.
    ///
    /// The listener yields a connection when its handshake is done. Who asks for anything else is
    /// answered in HTTP, and told of by the listener's events.
    public func listen(in context: EndpointContext) async throws -> Listener {
        let (logger, name) = (context.logger, description)
        let prepared = context.naming(self).preparing(
            "WebSocket handshake",
            timeout: timeout,
            client: { inner in
                var client = WebSocketClientEndpoint(inner, path: path ?? "/")
                client.host = host
                return client
            },
            { wire in
                let rest = try await wire.answerWebSocket(
                    accepting: { request throws(WebSocketHandshake.Refusal) in
                        try request.check(path: path, host: host)
                    },
                    endpoint: name
                )
                return carry(over: wire, after: rest, role: .server, logger: logger)
            }
        )
        return try await endpoint.listen(in: prepared)
    }
}

extension WebSocketServerEndpoint: ServerEndpointWrapper {
    /// Where to listen.
    public var inner: any ServerEndpoint {
        get { endpoint }
        set { endpoint = newValue }
    }
}

extension EndpointRegistry {
    /// Adds `websocket`, on both sides.
    public mutating func registerWebSocket() {
        register(WebSocketClientEndpoint.self)
        register(WebSocketServerEndpoint.self)
    }
}

extension WebSocketHandshake.Request {
    /// Refuses a request for anything but this path and this host.
    func check(path: String?, host: String?) throws(WebSocketHandshake.Refusal) {
        let asked = self.path.prefix { $0 != "?" }
        if let path, asked != path {
            throw WebSocketHandshake.Refusal(status: 404, description: "asks for \(asked)")
        }
        if let host, name.lowercased() != host.lowercased() {
            throw WebSocketHandshake.Refusal(status: 421, description: "asks host \(name)")
        }
    }

    /// The Host field without its port.
    private var name: Substring {
        if self.host.hasPrefix("[") { return self.host.prefix { $0 != "]" } + "]" }
        return self.host.prefix { $0 != ":" }
    }
}
