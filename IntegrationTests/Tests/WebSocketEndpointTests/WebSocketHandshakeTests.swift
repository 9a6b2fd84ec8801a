import Testing

@testable import WebSocketEndpoint

@Suite("WebSocket handshake")
struct WebSocketHandshakeTests {
    private static let key = "dGhlIHNhbXBsZSBub25jZQ=="

    @Test("the accept key is the RFC's (section 1.3)")
    func accept() {
        #expect(WebSocketHandshake.accept(Self.key) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }

    @Test(
        "SHA-1 gives the RFC's digests",
        arguments: [
            ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
            ),
            (
                String(repeating: "a", count: 1_000_000),
                "34aa973cd4c4daa4f61eeb2bdbad27316534016f"
            ),
        ]
    )
    func digest(text: String, hexadecimal: String) {
        let digest = SHA1.digest(of: Array(text.utf8))
        let digits = digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
        #expect(digits.joined() == hexadecimal)
    }

    @Test("a request and its response meet, at any cut")
    func meet() throws {
        var random = SeededGenerator()
        let key = WebSocketHandshake.makeKey(using: &random)
        let request = WebSocketHandshake.request(host: "example.com", path: "/a?b", key: key)
        let response = WebSocketHandshake.response(key: key)
        for count in 0..<request.count {
            #expect(try WebSocketHandshake.readRequest(Array(request[..<count])) == .needsMore)
        }
        for count in 0..<response.count {
            let prefix = Array(response[..<count])
            #expect(try WebSocketHandshake.readResponse(prefix, key: key) == .needsMore)
        }
        let asked = try WebSocketHandshake.readRequest(request + [0x81])
        let expected = WebSocketHandshake.Request(host: "example.com", path: "/a?b", key: key)
        #expect(asked == .complete(expected, consumed: request.count))
        let answered = try WebSocketHandshake.readResponse(response + [0x81], key: key)
        #expect(answered == .complete(key, consumed: response.count))
    }

    @Test(
        "a wrong request is refused with its status",
        arguments: [
            ("GET /", "POST /", 400), ("HTTP/1.1", "HTTP/1.0", 400), ("Host: a\r\n", "", 400),
            ("Host: a", "Host: a\r\nHost: b", 400), ("Upgrade: websocket", "Upgrade: h2c", 400),
            ("Connection: Upgrade", "Connection: close", 400), ("Version: 13", "Version: 8", 426),
            ("ub25jZQ==", "ub25jZQ=", 400), ("dGhl", "d!hl", 400),
            ("Host: a\r\n", "Host: a\n", 400),
            ("Host: a", "Host : a", 400), ("Host: a", "Host: a\r\n folded", 400),
            ("Host: a", "Host: a\u{0}", 400), ("Host: a", "Host: a\rb", 400),
            ("Host: a", "Host: " + String(repeating: "a", count: 8192), 400),
        ]
    )
    func wrongRequest(part: String, replacement: String, status: Int) {
        let request = WebSocketHandshake.request(host: "a", path: "/", key: Self.key)
        let text = String(decoding: request, as: UTF8.self).replacing(part, with: replacement)
        #expect {
            try WebSocketHandshake.readRequest(Array(text.utf8))
        } throws: {
            ($0 as? WebSocketHandshake.Refusal)?.status == status
        }
    }

    @Test("names and tokens are compared whatever their case, among others")
    func cases() throws {
        let text =
            "GET / HTTP/1.1\r\nhOST:a\r\nUPGRADE:  WebSocket \r\nConnection: keep-alive, UpGrade\r\n"
            + "Sec-WebSocket-Key: \(Self.key)\r\nSec-WebSocket-Version: 13\r\n\r\n"
        let progress = try WebSocketHandshake.readRequest(Array(text.utf8))
        let expected = WebSocketHandshake.Request(host: "a", path: "/", key: Self.key)
        #expect(progress == .complete(expected, consumed: text.utf8.count))
    }

    @Test(
        "a wrong response is refused",
        arguments: [
            ("101 Switching Protocols", "200 OK"), ("websocket", "h2c"), ("s3pP", "t3pP"),
            ("Upgrade: websocket", "Upgrade: websocket\r\nSec-WebSocket-Extensions: x"),
            ("Upgrade: websocket", "Upgrade: websocket\r\nSec-WebSocket-Protocol: x"),
        ]
    )
    func wrongResponse(part: String, replacement: String) {
        let response = WebSocketHandshake.response(key: Self.key)
        let text = String(decoding: response, as: UTF8.self).replacing(part, with: replacement)
        #expect(throws: WebSocketHandshake.Refusal.self) {
            try WebSocketHandshake.readResponse(Array(text.utf8), key: Self.key)
        }
    }

    @Test("a refusal is an HTTP answer")
    func refusal() {
        let refusal = WebSocketHandshake.Refusal(status: 426, description: "")
        let text = String(decoding: refusal.response, as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n"))
        #expect(text.hasSuffix("\r\n\r\n"))
    }
}
