import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("HTTP CONNECT, client")
struct HTTPConnectTests {
    private enum Outcome: Equatable {
        case needsMore
        case established(status: Int, consumed: Int)
        case refused(status: Int, reason: String)
        case tooLong(Int)
        case unexpected(offset: Int, expected: String)
    }

    private func client(_ host: String = "example.com") throws -> HTTPConnect {
        try HTTPConnect(to: ProxyTarget(host: host, port: 443))
    }

    /// Feeds growing prefixes, each longer by a piece.
    private func outcome(_ text: some Sequence<UInt8>, piece: Int = .max) throws -> Outcome {
        var client = try client()
        let bytes = Array(text)
        var count = 0
        while true {
            count = piece < bytes.count - count ? count + piece : bytes.count
            let prefix = Array(bytes[..<count])
            do {
                switch try client.receive(prefix.span) {
                case .needsMore(let wanted):
                    #expect(wanted > 0)
                    if count == bytes.count { return .needsMore }
                case .established(let status, let consumed):
                    return .established(status: status, consumed: consumed)
                }
            } catch .refused(let status, let reason) {
                return .refused(status: status, reason: reason)
            } catch .tooLong(let limit) {
                return .tooLong(limit)
            } catch .unexpected(let error) {
                return .unexpected(offset: error.offset, expected: error.expected)
            }
        }
    }

    @Test(
        "the request names the target twice",
        arguments: [
            ("example.com", "example.com:443"), ("192.0.2.1", "192.0.2.1:443"),
            ("2001:DB8::0:1", "[2001:db8::1]:443"),
        ]
    )
    func request(host: String, authority: String) throws {
        let text = String(decoding: try client(host).request, as: UTF8.self)
        #expect(text == "CONNECT \(authority) HTTP/1.1\r\nHost: \(authority)\r\n\r\n")
    }

    @Test("credentials are sent as Basic")
    func credentials() throws {
        let target = try ProxyTarget(host: "a", port: 1)
        let text = try HTTPConnect(
            to: target,
            credentials: .init(user: "Aladdin", password: "open sesame")
        )
        #expect(
            String(decoding: text.request, as: UTF8.self)
                == "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n"
                + "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
        )
        for (user, password) in [("a:b", "c"), ("a\r\n", "c"), ("a", "c\u{0}"), ("a", "\u{7F}")] {
            #expect(throws: ProxyCredentials.InvalidCredentials.self) {
                try HTTPConnect(to: target, credentials: .init(user: user, password: password))
            }
        }
    }

    @Test(
        "Base64 pads to groups of four",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"),
        ]
    )
    func base64(text: String, encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == encoded)
    }

    @Test("Base64 knows all 64 digits")
    func base64Digits() {
        let bytes: [UInt8] = [0x00, 0x10, 0x83, 0xFB, 0xEF, 0xFF]
        #expect(Base64.encode(bytes) == "ABCD++//")
    }

    @Test(
        "the tunnel begins right behind the empty line",
        arguments: [
            "HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.0 200 \r\n\r\n",
            "HTTP/1.1 200\r\n\r\n", "HTTP/1.1 299 \u{FC}\t!\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nX:\r\n\r\n",
            "HTTP/1.1 200 OK\r\n!#$%&'*+-.^_`|~09azAZ: \tv\u{E9} \r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
                + "HTTP/1.1 204 N\r\n\r\n",
        ]
    )
    func established(answer: String) throws {
        let bytes = Array(answer.utf8)
        for count in 0..<bytes.count {
            var client = try client()
            let prefix = Array(bytes[..<count])
            guard case .needsMore(let wanted) = try client.receive(prefix.span) else {
                Issue.record("complete after \(count)")
                continue
            }
            #expect((1...(bytes.count - count)).contains(wanted), "\(count)")
        }
        for rest in ["", "\r\n", "HTTP/1.1 500 No\r\n\r\n"] {
            let whole = try outcome(bytes + rest.utf8)
            guard case .established(200..<300, bytes.count) = whole else {
                Issue.record("\(whole)")
                continue
            }
            #expect(try outcome(bytes + rest.utf8, piece: 1) == whole)
        }
    }

    @Test(
        "a refusal is reported with its reason when the status line is whole",
        arguments: [
            ("HTTP/1.1 403 Forbidden\r\n", 403, "\"Forbidden\""),
            ("HTTP/1.1 502 \r\n", 502, "\"\""), ("HTTP/1.1 502\r\n", 502, "\"\""),
            ("HTTP/1.1 101 Switching\r\n", 101, "\"Switching\""),
            ("HTTP/1.0 302 Found\r\nLocation: x\r\n\r\n", 302, "\"Found\""),
            ("HTTP/1.1 999 \u{E9}\t\r\n", 999, "\"\\xc3\\xa9\\t\""),
            ("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 504 Late\r\n", 504, "\"Late\""),
        ]
    )
    func refused(answer: String, status: Int, reason: String) throws {
        #expect(try outcome(answer.utf8) == .refused(status: status, reason: reason))
        #expect(try outcome(answer.utf8, piece: 1) == .refused(status: status, reason: reason))
        let line = answer.utf8.dropLast(answer.hasSuffix("x\r\n\r\n") ? 16 : 1)
        #expect(try outcome(line) == .needsMore)
    }

    @Test("an error names status and reason, and says when credentials are missing")
    func messages() {
        let refused = HTTPConnectError.refused(status: 403, reason: "\"No\"")
        #expect("\(refused)" == "the proxy says: 403 \"No\"")
        let unknown = HTTPConnectError.refused(status: 407, reason: "\"Auth\"")
        #expect(
            "\(unknown)" == "the proxy says: 407 \"Auth\"; give a user and a password that it knows"
        )
    }

    /// "^" stands before the first byte that cannot belong.
    @Test(
        "what is no HTTP answer is refused at the first byte that cannot belong",
        arguments: [
            "^\u{5}\u{0}", "^http/1.1 200", "HTTP/^2 200", "HTTP/1.^x", "HTTP/1.1^\t",
            "HTTP/1.1 ^ ",
            "HTTP/1.1 ^099", "HTTP/1.1 2^x", "HTTP/1.1 200^0 OK", "HTTP/1.1 200^\n",
            "HTTP/1.1 200 OK^\n", "HTTP/1.1 200 OK\r^\r", "HTTP/1.1 200 O^\u{0}K\r\n",
            "HTTP/1.1 200 OK\r\n^\n", "HTTP/1.1 200 OK\r\n\r^a", "HTTP/1.1 200 OK\r\n^ folded",
            "HTTP/1.1 200 OK\r\n^: v", "HTTP/1.1 200 OK\r\nA^ : v", "HTTP/1.1 200 OK\r\nA^\r\n",
            "HTTP/1.1 200 OK\r\nA: b^\nC: d", "HTTP/1.1 200 OK\r\nA: b\r^C",
            "HTTP/1.1 200 OK\r\nA: ^\u{7F}",
            "HTTP/1.1 200 OK\r\nA: b\r\n^\tfolded", "HTTP/1.1 200 OK\r\n^\u{E9}: v",
            "HTTP/1.1 100 C\r\n\r\n^A: b",
        ]
    )
    func invalid(answer: String) throws {
        let parts = answer.split(separator: "^", omittingEmptySubsequences: false)
        let offset = parts[0].utf8.count
        let bytes = Array(parts.joined().utf8)
        let whole = try outcome(bytes)
        guard case .unexpected(offset, _) = whole else {
            Issue.record("\(whole), not at \(offset)")
            return
        }
        #expect(try outcome(bytes, piece: 1) == whole)
        #expect(try outcome(bytes.prefix(offset)) == .needsMore)
    }

    @Test("a proxy of another kind is named")
    func hints() throws {
        var client = try client()
        let bytes: [UInt8] = [5, 0]
        #expect {
            try client.receive(bytes.span)
        } throws: {
            "\($0)"
                == "expected \"HTTP/1.1\" and a status, got \"\\x05\\x00\"; "
                + "a SOCKS proxy? \"socks5:\" speaks to those"
        }
    }

    @Test("lines and heads are bounded")
    func limits() throws {
        let status = Array("HTTP/1.1 200 OK\r\n".utf8)
        func field(_ length: Int) -> [UInt8] {
            Array(("A: " + String(repeating: "x", count: length - 5) + "\r\n").utf8)
        }
        let limit = HTTPConnect.Limits.line
        let end = Array("\r\n".utf8)
        let fits = status + field(limit) + end
        #expect(try outcome(fits) == .established(status: 200, consumed: fits.count))
        #expect(try outcome(status + field(limit + 1)) == .tooLong(limit))
        let head = HTTPConnect.Limits.head
        let many = status + Array(repeatElement(field(1024), count: 40).joined())
        #expect(try outcome(many) == .tooLong(head))
        let interim = Array(repeatElement("HTTP/1.1 100 C\r\n\r\n", count: 2000).joined().utf8)
        #expect(try outcome(interim) == .tooLong(head))
    }

    @Test("random answers never trap, and one by one say the same as all at once")
    func random() throws {
        var random = SeededGenerator(seed: 6)
        let seeds = [
            "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "HTTP/1.1 100 C\r\n\r\nHTTP/1.0 200 \r\n\r\nx",
            "HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic\r\n\r\n",
        ].map { Array($0.utf8) }
        for round in fuzzRounds(10_000) {
            let bytes = seeds[round % seeds.count].mutated(using: &random)
            let whole = try outcome(bytes)
            #expect(try outcome(bytes, piece: 1) == whole, "\(bytes)")
        }
    }
}
