import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("SOCKS 5, client")
struct SOCKS5Tests {
    private func client(_ host: String = "example.com", user: String? = nil) throws -> SOCKS5 {
        let credentials = user.map { ProxyCredentials(user: $0, password: "pass") }
        return try SOCKS5(to: ProxyTarget(host: host, port: 443), credentials: credentials)
    }

    @Test("without credentials, one method is offered and the request follows")
    func plain() throws {
        var socks = try client()
        #expect(socks.greeting == [5, 1, 0])
        let request: [UInt8] = [5, 1, 0, 3, 11] + "example.com".utf8 + [1, 0xBB]
        #expect(try receive(&socks, [5, 0]) == .send(request, consumed: 2))
        let address = SocketAddress(ipv4: (192, 0, 2, 1), port: 0x1234)
        let reply: [UInt8] = [5, 0, 0, 1, 192, 0, 2, 1, 0x12, 0x34]
        let bound = SOCKS5.BoundAddress.address(address)
        #expect(try receive(&socks, reply + "220 ".utf8) == .established(bound, consumed: 10))
        #expect(try receive(&socks, [1]) == .established(bound, consumed: 0))
    }

    @Test("user and password go to a proxy that asks for them, and only to that")
    func authentication() throws {
        var asked = try client(user: "user")
        #expect(asked.greeting == [5, 2, 0, 2])
        let message: [UInt8] = [1, 4] + "user".utf8 + [4] + "pass".utf8
        #expect(try receive(&asked, [5, 2]) == .send(message, consumed: 2))
        guard case .send(let request, 2) = try receive(&asked, [1, 0]) else {
            Issue.record("no request")
            return
        }
        #expect(request.prefix(4) == [5, 1, 0, 3])
        var unasked = try client(user: "user")
        #expect(try receive(&unasked, [5, 0]) == .send(request, consumed: 2))
    }

    @Test(
        "an address literal is sent as its bytes, a name as it stands",
        arguments: [
            ("192.0.2.1", [1, 192, 0, 2, 1]),
            ("2001:db8::1", [4, 0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            ("::ffff:192.0.2.1", [1, 192, 0, 2, 1]), ("a_b.", [3, 4, 0x61, 0x5F, 0x62, 0x2E]),
        ] as [(String, [UInt8])]
    )
    func targets(host: String, address: [UInt8]) throws {
        var socks = try client(host)
        let request = [5, 1, 0] + address + [1, 0xBB]
        #expect(try receive(&socks, [5, 0]) == .send(request, consumed: 2))
    }

    @Test(
        "every type of address in the reply is read to its last byte",
        arguments: [[1, 1, 2, 3, 4], [3, 0], [3, 2, 97, 98], [4] + (1...16)] as [[UInt8]]
    )
    func replies(address: [UInt8]) throws {
        let reply: [UInt8] = [5, 0, 0] + address + [0, 80]
        let rest: [UInt8] = [5, 0, 0, 1]
        var start = try client()
        _ = try receive(&start, [5, 0])
        for count in 0..<reply.count {
            guard case .needsMore(let wanted) = try receive(&start, Array(reply[..<count])) else {
                Issue.record("complete after \(count)")
                continue
            }
            #expect((1...(reply.count - count)).contains(wanted))
        }
        guard case .established(let bound, reply.count) = try receive(&start, reply + rest) else {
            Issue.record("not established")
            return
        }
        switch bound {
        case .address(let address): #expect(address.port == 80)
        case .name(let name, let port): #expect(name == Array(address.dropFirst(2)) && port == 80)
        }
    }

    @Test(
        "every reason is reported in words, before the rest of the reply",
        arguments: [
            (1, "general failure"), (2, "connection not allowed by its rules"),
            (3, "network unreachable"), (4, "host unreachable"), (5, "connection refused"),
            (6, "time to live expired"), (7, "command not supported"),
            (8, "address type not supported"), (9, "unassigned reason"), (255, "unassigned reason"),
        ] as [(UInt8, String)]
    )
    func refusals(code: UInt8, words: String) throws {
        var socks = try client()
        _ = try receive(&socks, [5, 0])
        #expect(throws: SOCKS5Error.refused(SOCKS5.Reply(rawValue: code))) {
            try receive(&socks, [5, code])
        }
        #expect {
            try receive(&socks, [5, 0])
        } throws: {
            "\($0)" == "the proxy says: \(words) (SOCKS reply \(code))"
        }
    }

    @Test(
        "what is not SOCKS 5 is refused at the first byte that cannot belong",
        arguments: [
            ([], [4], "expected a SOCKS 5 reply, got \"\\x04\""),
            (
                [], Array("HTTP/1.1 400".utf8),
                "expected a SOCKS 5 reply, got \"HTTP/1.1 400\"; "
                    + "an HTTP proxy? \"connect:\" speaks to those"
            ),
            ([], [5, 1], "expected a method that was offered at offset 1, got \"\\x01\""),
            ([], [5, 2], "expected a method that was offered at offset 1, got \"\\x02\""),
            ([], [5, 255], "the proxy wants authentication; give a user and a password"),
            ([[5, 0]], [4], "expected a SOCKS 5 reply, got \"\\x04\""),
            ([[5, 0]], [5, 0, 1], "expected a reserved byte of 0 at offset 2, got \"\\x01\""),
            (
                [[5, 0]], [5, 0, 0, 2],
                "expected an address type (1, 3 or 4) at offset 3, got \"\\x02\""
            ),
        ] as [([[UInt8]], [UInt8], String)]
    )
    func invalid(before: [[UInt8]], bytes: [UInt8], message: String) throws {
        var socks = try client()
        for message in before { _ = try receive(&socks, message) }
        for _ in 1...2 {
            #expect {
                try receive(&socks, bytes)
            } throws: {
                "\($0)" == message
            }
        }
    }

    @Test("a refused password is told from a refused method")
    func refusedCredentials() throws {
        var socks = try client(user: "user")
        _ = try receive(&socks, [5, 2])
        #expect(throws: SOCKS5Error.credentialsRefused(status: 1)) { try receive(&socks, [1, 1]) }
        var other = try client(user: "user")
        #expect(throws: SOCKS5Error.noAcceptableMethod(offeredCredentials: true)) {
            try receive(&other, [5, 255])
        }
        var wrong = try client(user: "user")
        _ = try receive(&wrong, [5, 2])
        #expect(throws: SOCKS5Error.self) { try receive(&wrong, [5]) }
    }

    @Test("names and credentials that the protocol cannot carry are refused")
    func unsendable() throws {
        let long = String(repeating: "a", count: 256)
        for host in [
            "127.1", "2130706433", "0x7f.1", "１２７.1", "", "a b", "a\r\n", "fe80::1%lo", "[::1]",
            "½", "a:1", long,
        ] {
            #expect(throws: ProxyTarget.InvalidTarget.self) {
                try ProxyTarget(host: host, port: 1)
            }
        }
        let target = try ProxyTarget(host: "example.com", port: 1)
        for (user, password) in [("", "p"), ("u", ""), (String(repeating: "u", count: 256), "p")] {
            #expect(throws: ProxyCredentials.InvalidCredentials.self) {
                try SOCKS5(to: target, credentials: .init(user: user, password: password))
            }
        }
        #expect("\(ProxyCredentials(user: "u", password: "secret"))" == "u:…")
    }

    @Test("random answers never trap, and one by one say the same as all at once")
    func random() throws {
        var random = SeededGenerator(seed: 5)
        let seeds: [[UInt8]] = [
            [5, 0, 5, 0, 0, 1, 1, 2, 3, 4, 0, 1], [5, 2, 1, 0, 5, 0, 0, 3, 1, 97, 0, 1],
            [5, 0, 5, 0, 0, 4] + [UInt8](1...18), [5, 0, 5, 5, 0, 1],
        ]
        for round in fuzzRounds(10_000) {
            let seed = seeds[round % seeds.count]
            let bytes = round % 5 == 0 ? seed : seed.mutated(using: &random)
            let whole = outcome(bytes, pieces: bytes.count, of: try client(user: "u"))
            #expect(outcome(bytes, pieces: 1, of: try client(user: "u")) == whole, "\(bytes)")
        }
    }

    private enum Outcome: Equatable {
        case needsMore
        case established(consumed: Int)
        case failed(offset: Int?)
    }

    /// Feeds bytes in pieces, dropping what is consumed.
    private func outcome(_ bytes: [UInt8], pieces: Int, of client: SOCKS5) -> Outcome {
        var client = client
        var buffer: [UInt8] = []
        var consumed = 0
        var rest = bytes[...]
        while true {
            do {
                switch try client.receive(buffer.span) {
                case .needsMore:
                    if rest.isEmpty { return .needsMore }
                    buffer += rest.prefix(pieces)
                    rest = rest.dropFirst(pieces)
                case .send(_, let count):
                    buffer.removeFirst(count)
                    consumed += count
                case .established(_, let count):
                    return .established(consumed: consumed + count)
                }
            } catch .unexpected(let error) {
                return .failed(offset: consumed + error.offset)
            } catch {
                return .failed(offset: nil)
            }
        }
    }

    @discardableResult
    private func receive(
        _ client: inout SOCKS5,
        _ bytes: [UInt8]
    ) throws(SOCKS5Error) -> SOCKS5.Progress {
        try client.receive(bytes.span)
    }
}
