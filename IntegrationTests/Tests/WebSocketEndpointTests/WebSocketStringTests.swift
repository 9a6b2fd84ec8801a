import Endpoints
import Testing
import WebSocketEndpoint

@Suite("WebSocket strings")
struct WebSocketStringTests {
    @Test(
        "a client's string prints as itself",
        arguments: [
            "websocket:tcp:host=example.com:port=80",
            "websocket:path=/chat?a\\=b:host=example.com:tls:host=example.com:port=443",
            "websocket:timeout=5:limit=1000:closeTimeout=1:unix:path=/run/a.sock",
        ]
    )
    func clients(string: String) throws {
        let endpoint = try clientFromString(string, in: registry)
        #expect(endpoint is WebSocketClientEndpoint)
        let again = try clientFromString("\(endpoint)", in: registry)
        #expect("\(again)" == "\(endpoint)")
    }

    @Test("a server's string says path, host and what is within")
    func server() throws {
        let string = "websocket:path=/chat:host=example.com:haproxy:tcp:8080"
        let endpoint = try #require(
            try serverFromString(string, in: registry) as? WebSocketServerEndpoint
        )
        #expect(endpoint.path == "/chat")
        #expect(endpoint.host == "example.com")
        #expect("\(endpoint.endpoint)" == "haproxy:tcp:port=8080")
    }

    @Test(
        "what would break the head is refused, with its argument",
        arguments: [
            ("websocket:path=chat:tcp:a:80", "path"), ("websocket:path=/a b:tcp:a:80", "path"),
            ("websocket:path=/a\r\nX\\: y:tcp:a:80", "path"),
            ("websocket:path=/é:tcp:a:80", "path"),
            ("websocket:host=a\nb:tcp:a:80", "host"), ("websocket:limit=0:tcp:a:80", "limit"),
            ("websocket:way=/a:tcp:a:80", "way"), ("websocket:", "endpoint"),
        ]
    )
    func refused(string: String, argument: String) {
        #expect {
            try clientFromString(string, in: registry)
        } throws: {
            "\($0)".contains(argument)
        }
    }

    @Test("the kinds are listed beside the library's own, which does not know them")
    func kinds() {
        for side in [EndpointSide.client, .server] {
            #expect(registry.kinds(for: side).contains { $0.kind == "websocket" })
            #expect(!EndpointRegistry.standard.kinds(for: side).contains { $0.kind == "websocket" })
        }
    }
}
