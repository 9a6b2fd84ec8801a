// The HTTP exchange that turns a connection into a WebSocket (RFC 6455, section 4), as values.
//
// Both sides read one head, up to its empty line, and the stream of frames begins right behind it.
// The accept key proves nothing about who the peer is; it shows that the peer speaks WebSocket and
// answers this very request, so that neither a cache nor a web form can be talked into one.

/// The opening handshake.
public enum WebSocketHandshake {
    /// How long a head may be.
    public static let limit = 8192

    /// Why there will be no WebSocket.
    public struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
        /// The HTTP status that a server answers.
        public var status: Int
        /// What is wrong.
        public var description: String

        /// What a server sends before it closes.
        public var response: [UInt8] {
            let phrase =
                switch status {
                case 404: "Not Found"
                case 421: "Misdirected Request"
                case 426: "Upgrade Required"
                default: "Bad Request"
                }
            let version = status == 426 ? "Sec-WebSocket-Version: 13\r\n" : ""
            let head = "HTTP/1.1 \(status) \(phrase)\r\n\(version)"
            return Array((head + "Connection: close\r\nContent-Length: 0\r\n\r\n").utf8)
        }
    }

    /// What a prefix of the peer's bytes amounts to.
    public enum Progress<Head: Hashable & Sendable>: Hashable, Sendable {
        /// Read on.
        case needsMore
        /// The head, and how many bytes it took; frames follow.
        case complete(Head, consumed: Int)
    }

    /// A fresh key: 16 random bytes in Base64 (section 4.1).
    ///
    /// - Parameter generator: Must be unpredictable.
    /// - Returns: 24 characters.
    public static func makeKey(using generator: inout some RandomNumberGenerator) -> String {
        Base64.encode((0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    /// The answer to a key (section 4.2.2).
    ///
    /// - Parameter key: As the client sent it.
    /// - Returns: The value of Sec-WebSocket-Accept.
    public static func accept(_ key: String) -> String {
        Base64.encode(SHA1.digest(of: Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
    }

    /// A client's request.
    ///
    /// - Parameters:
    ///   - host: The Host field, with the port unless it is 80.
    ///   - path: What to ask for, beginning with a slash.
    ///   - key: From ``makeKey(using:)``.
    /// - Returns: The bytes to send.
    public static func request(host: String, path: String, key: String) -> [UInt8] {
        let lines = [
            "GET \(path) HTTP/1.1", "Host: \(host)", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Key: \(key)", "Sec-WebSocket-Version: 13",
        ]
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    /// A server's answer to a request with this key.
    ///
    /// - Parameter key: As the client sent it.
    /// - Returns: The bytes to send.
    public static func response(key: String) -> [UInt8] {
        let lines = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Accept: \(accept(key))",
        ]
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    /// What a client asks for.
    public struct Request: Hashable, Sendable {
        /// The Host field.
        public var host: String
        /// The path, with its query.
        public var path: String
        /// The key to answer.
        public var key: String
    }

    /// Reads a client's request (section 4.2.1).
    ///
    /// - Parameter bytes: All that has come, from the first byte.
    /// - Returns: The request, once its head is whole.
    /// - Throws: ``Refusal``, whose response to send before closing.
    public static func readRequest(_ bytes: [UInt8]) throws(Refusal) -> Progress<Request> {
        guard let head = try HTTPHead(bytes, limit: limit) else { return .needsMore }
        let parts = head.startLine.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "GET", parts[2] == "HTTP/1.1", parts[1].hasPrefix("/")
        else { throw Refusal(status: 400, description: "not a GET request of HTTP/1.1") }
        guard head.values("host").count == 1, let host = head.values("host").first else {
            throw Refusal(status: 400, description: "not exactly one Host")
        }
        try checkUpgrade(head)
        guard head.values("sec-websocket-version") == ["13"] else {
            throw Refusal(status: 426, description: "not version 13")
        }
        let keys = head.values("sec-websocket-key")
        guard keys.count == 1, let key = keys.first, isKey(key) else {
            throw Refusal(status: 400, description: "no key of 16 bytes in Base64")
        }
        let request = Request(host: host, path: String(parts[1]), key: key)
        return .complete(request, consumed: head.length)
    }

    /// Reads a server's answer to a request with this key (section 4.1).
    ///
    /// - Parameters:
    ///   - bytes: All that has come, from the first byte.
    ///   - key: The one that was sent.
    /// - Returns: The key that was accepted, once the head is whole.
    /// - Throws: ``Refusal``.
    public static func readResponse(
        _ bytes: [UInt8],
        key: String
    ) throws(Refusal) -> Progress<String> {
        guard let head = try HTTPHead(bytes, limit: limit) else { return .needsMore }
        guard head.startLine == "HTTP/1.1 101" || head.startLine.hasPrefix("HTTP/1.1 101 ") else {
            throw Refusal(status: 400, description: "the server says \"\(head.startLine)\"")
        }
        try checkUpgrade(head)
        guard head.values("sec-websocket-accept") == [accept(key)] else {
            throw Refusal(status: 400, description: "the server answers another key")
        }
        let unasked = ["sec-websocket-extensions", "sec-websocket-protocol"]
        guard unasked.allSatisfy({ head.values($0).isEmpty }) else {
            throw Refusal(status: 400, description: "the server chose what was not offered")
        }
        return .complete(key, consumed: head.length)
    }

    private static func checkUpgrade(_ head: HTTPHead) throws(Refusal) {
        guard head.tokens("upgrade").contains("websocket"),
            head.tokens("connection").contains("upgrade")
        else { throw Refusal(status: 400, description: "no upgrade to WebSocket") }
    }

    /// 16 bytes are 22 digits and two signs of padding.
    private static func isKey(_ key: String) -> Bool {
        key.utf8.count == 24 && key.hasSuffix("==")
            && key.utf8.dropLast(2).allSatisfy(Base64.isDigit)
    }
}
