import CEndpoints
import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// A proxy that says what it is told to, one answer for each message of ours.
private func withProxy<Result>(
    _ name: String,
    answers: [[UInt8]],
    _ body: (any ClientEndpoint, () async throws -> [UInt8]) async throws -> Result
) async throws -> Result {
    let listener = try await MemoryServerEndpoint.memory(name).listen()
    let serving = Task {
        guard let connection = await listener.accept() else { return [UInt8]() }
        var received: [UInt8] = []
        for answer in answers {
            guard let chunk = try await connection.read(atMost: 4096) else { break }
            received += chunk
            try await connection.write(answer)
        }
        try await connection.closeWrite()
        while let chunk = try? await connection.read(atMost: 4096) { received += chunk }
        await connection.close()
        return received
    }
    let result = try await body(MemoryClientEndpoint.memory(name)) { try await serving.value }
    _ = await serving.result
    await listener.close()
    return result
}

@Suite("Tunnels through proxies", .timeLimit(.minutes(1)))
struct ProxyTunnelTests {
    private static let established: [UInt8] = [5, 0, 0, 1, 192, 0, 2, 1, 0, 80]

    @Test("SOCKS: the proxy gets the name, and the first byte of the stream is ours")
    func socks() async throws {
        let answers = [[5, 0], Self.established + Array("hello".utf8)]
        try await withProxy("socks", answers: answers) { proxy, received in
            let string = "socks5:example.com:443:proxy=[\(proxy)]"
            try await clientFromString(string).withConnection { connection in
                let first = try await connection.read(exactly: 5)
                #expect(first == Array("hello".utf8))
                #expect(!connection.hasPushback)
                #expect(connection.timeline.proxy != nil)
            }
            let request: [UInt8] = [5, 1, 0, 5, 1, 0, 3, 11] + "example.com".utf8 + [1, 187]
            #expect(try await received() == request)
        }
    }

    @Test("SOCKS: user and password, the latter from a file")
    func socksPassword() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("password")
        let file = try #require(fopen(path, "w"))
        fputs("s3cret\r\nsecond line\n", file)
        fclose(file)
        let answers = [[5, 2], [1, 0], Self.established]
        try await withProxy("socks-password", answers: answers) { proxy, received in
            let string = "socks5:192.0.2.9:80:proxy=[\(proxy)]:user=joe:passwordFile=\(path)"
            let client = try clientFromString(string)
            #expect("\(try clientFromString("\(client)"))" == "\(client)")
            try await client.withConnection { _ in }
            let request: [UInt8] =
                [5, 2, 0, 2, 1, 3] + "joe".utf8 + [6] + "s3cret".utf8
                + [5, 1, 0, 1, 192, 0, 2, 9, 0, 80]
            #expect(try await received() == request)
        }
    }

    @Test(
        "SOCKS: an error names the proxy's reason",
        arguments: [
            (
                [[5, 0], [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]], "connectionRefused", "connection refused"
            ),
            ([[5, 0], [5, 4, 0, 1, 0, 0, 0, 0, 0, 0]], "unreachable", "host unreachable"),
            ([[5, 255]], "permissionDenied", "wants authentication"),
            ([Array("HTTP/1.1 400".utf8)], "proxyRefused", "connect:"),
            ([[5]], "unexpectedEnd", "after 1 bytes"),
        ] as [([[UInt8]], String, String)]
    )
    func socksReasons(answers: [[UInt8]], code: String, reason: String) async throws {
        try await withProxy("socks-\(reason)", answers: answers) { proxy, _ in
            let endpoint = SOCKS5ClientEndpoint(host: "example.com", port: 80, proxy: proxy)
            do {
                _ = try await endpoint.connect()
                Issue.record("connected")
            } catch let error as EndpointError {
                #expect(error.code.description == code)
                #expect("\(error)".contains(reason))
                #expect("\(error)".hasPrefix("connect socks5:host=example.com:port=80"))
            }
        }
    }

    @Test(
        "a proxy that breaks off the connection is told of by the tunnel's string",
        arguments: ["socks5", "connect"]
    )
    func brokenOff(kind: String) async throws {
        let listener = try await MemoryServerEndpoint.memory("broken-off-\(kind)").listen()
        let breaking = Task {
            let connection = await listener.accept()
            _ = try await connection?.read(atMost: 4096)
            connection?.abort()
        }
        let string = "\(kind):example.com:443:proxy=[memory:broken-off-\(kind)]"
        let error = await #expect(throws: EndpointError.self) {
            try await clientFromString(string).connect()
        }
        #expect(error?.code == .connectionReset)
        #expect(error?.phase == .proxy)
        #expect("\(try #require(error))".hasPrefix("connect \(kind):host=example.com:port=443"))
        #expect("\(try #require(error))".contains(": the proxy broke off the connection"))
        try await breaking.value
        await listener.close()
    }

    @Test("CONNECT: the head ends exactly where the stream begins")
    func httpConnect() async throws {
        let answer = Array("HTTP/1.1 200 OK\r\nVia: x\r\n\r\n\r\nstream".utf8)
        try await withProxy("connect", answers: [answer]) { proxy, received in
            let string = "connect:example.com:443:proxy=[\(proxy)]:user=joe:password=s3cret"
            try await clientFromString(string).withConnection { connection in
                #expect(connection.timeline.proxy != nil)
                let first = try await connection.read(exactly: 8)
                #expect(first == Array("\r\nstream".utf8))
            }
            let request = String(decoding: try await received(), as: UTF8.self)
            #expect(request.hasPrefix("CONNECT example.com:443 HTTP/1.1\r\n"))
            #expect(request.contains("Proxy-Authorization: Basic am9lOnMzY3JldA==\r\n"))
        }
    }

    @Test("CONNECT: an error names the proxy's reason and never the password", .tags(.security))
    func httpReasons() async throws {
        let answer = Array("HTTP/1.1 407 Who are you\r\n\r\n".utf8)
        try await withProxy("connect-refused", answers: [answer]) { proxy, _ in
            let string = "connect:example.com:443:proxy=[\(proxy)]:user=joe:password=s3cret"
            do {
                _ = try await clientFromString(string).connect()
                Issue.record("connected")
            } catch let error as EndpointError {
                #expect(error.code == .permissionDenied)
                #expect("\(error)".contains("407"))
                #expect("\(error)".contains("Who are you"))
                #expect(!"\(error)".contains("s3cret"))
            }
        }
    }

    @Test("the time-out covers a proxy that does not answer")
    func silentProxy() async throws {
        let listener = try await MemoryServerEndpoint.memory("silent").listen()
        var endpoint = SOCKS5ClientEndpoint(
            host: "example.com",
            port: 80,
            proxy: MemoryClientEndpoint.memory("silent")
        )
        endpoint.timeout = .milliseconds(500)
        do {
            _ = try await endpoint.connect()
            Issue.record("connected")
        } catch let error as EndpointError {
            #expect(error.code == .timedOut)
            #expect("\(error)".hasSuffix("timed out after 0.5 s waiting for the proxy's answer"))
        }
        await listener.close()
    }

    @Test("a cancelled connect leaves no connection to the proxy", .tags(.cancellation))
    func cancelled() async throws {
        let listener = try await MemoryServerEndpoint.memory("cancelled").listen()
        let proxy = MemoryClientEndpoint.memory("cancelled")
        let endpoint = HTTPConnectClientEndpoint(host: "example.com", port: 80, proxy: proxy)
        let connecting = Task { try await endpoint.connect() }
        let connection = try #require(await listener.accept())
        _ = try await connection.read(atMost: 4096)
        connecting.cancel()
        await #expect(throws: CancellationError.self) { try await connecting.value }
        await #expect(throws: EndpointError.self) { try await connection.read(atMost: 1) }
        await connection.close()
        await listener.close()
    }

    @Test(
        "what a proxy cannot be asked is refused in the string",
        arguments: [
            ("socks5:[fe80::1%lo]:80:proxy=[tcp:h:1]", "zone"),
            ("socks5:h:80:proxy=[tcp:h:1]:user=joe", "needs a password"),
            ("connect:h:80:proxy=[tcp:h:1]:password=x", "needs a user"),
            ("connect:h:80:proxy=[tcp:h:1]:user=a\\:b:password=x", "colon"),
            ("connect:h:80", "proxy"),
        ]
    )
    func wrongStrings(string: String, reason: String) {
        do {
            _ = try clientFromString(string)
            Issue.record("accepted")
        } catch {
            #expect("\(error)".contains(reason))
        }
    }
}
