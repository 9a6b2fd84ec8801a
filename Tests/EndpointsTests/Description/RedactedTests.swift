import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Secrets in endpoint strings", .tags(.security))
struct RedactedTests {
    private static let socks = "socks5:example.com:443:proxy=[tcp:h:1080]:user=u:password=hunter2"

    @Test(
        "the string has the password and gives the same endpoint, the redacted one has stars",
        arguments: [
            socks, "connect:example.com:443:proxy=[tcp:h:3128]:user=u:password=hunter2",
            "tls:example.com:443:endpoint=[\(socks)]", "haproxy:version=1:\(socks)",
            "socks5:a:1:proxy=[\(socks)]", "tls:a:1:endpoint=[tls:b:2:endpoint=[\(socks)]]",
        ]
    )
    func passwords(string: String) throws {
        let endpoint = try clientFromString(string)
        let description = "\(endpoint)"
        #expect(description.contains("password=hunter2"))
        #expect("\(try clientFromString(description))" == description)
        #expect(!endpoint.redacted.contains("hunter2"))
        let masked = description.replacing("hunter2", with: "***")
        #expect(endpoint.redacted == masked)
    }

    @Test("an endpoint without secrets prints the same both ways")
    func plain() throws {
        for string in ["tcp:h:1", "tls:h:443:endpoint=[unix:/a]", "unix:/a\\:b"] {
            let endpoint = try clientFromString(string)
            #expect(endpoint.redacted == "\(endpoint)")
        }
        let server = try serverFromString("haproxy:tls:8443:privateKey=/a")
        #expect(server.redacted == "\(server)")
    }

    @Test("an observer is told of an endpoint without its password, and so is who observes it")
    func observer() async throws {
        let names = NameCollector()
        var context = EndpointContext()
        context.observer = names
        let string = "socks5:a:1:proxy=[memory:nobody-\(UInt64.random(in: 0 ... .max))]"
        let endpoint = try clientFromString("\(string):user=u:password=hunter2").observed()
        #expect("\(endpoint)".contains("hunter2"))
        #expect(!endpoint.redacted.contains("hunter2"))
        await #expect(throws: EndpointError.self) { try await endpoint.connect(in: context) }
        #expect(names.failed.withLock { $0 } == [endpoint.redacted])
    }

    @Test("errors of connecting name the endpoint without its password")
    func errors() async throws {
        // Nobody listens there.
        let proxy = "memory:redacted-tests"
        let listener = try await serverFromString(proxy).listen()
        let serving = Task {
            try await listener.serve { connection in
                _ = try await connection.read(atMost: 64)
                try await connection.write([5, 0xFF])
            }
        }
        for kind in ["socks5", "connect"] {
            let string = "\(kind):example.com:443:proxy=[\(proxy)]:user=u:password=hunter2"
            let error = await #expect(throws: EndpointError.self) {
                try await clientFromString(string).connect()
            }
            let text = "\(try #require(error))"
            #expect(text.contains("password=***"), "\(text)")
            #expect(!text.contains("hunter2"))
        }
        let wrapped = "tls:example.com:443:endpoint=[\(Self.socks)]:trustRoots=/nowhere"
        let error = await #expect(throws: EndpointError.self) {
            try await clientFromString(wrapped).connect()
        }
        #expect("\(try #require(error))".contains("password=***"))
        await listener.close()
        _ = await serving.result
    }

    @Test(
        "a wrong string is shown without its password, and the caret stays in its place",
        arguments: [
            (
                "socks5:h:1:user=u:password=hunter2:prot=2",
                "socks5:h:1:user=u:password=*******:prot=2", "prot"
            ),
            (
                "tls:h:1:endpoint=[socks5:h:1:password=[hun:ter2]:user=u]:prot=2",
                "tls:h:1:endpoint=[socks5:h:1:password=**********:user=u]:prot=2", "prot"
            ),
            (
                "socks5:h:1:password=hunter\\:2:prot=2",
                "socks5:h:1:password=*********:prot=2", "prot"
            ),
        ]
    )
    func wrongStrings(string: String, shown: String, name: String) throws {
        let error = #expect(throws: EndpointStringError.self) { try clientFromString(string) }
        let lines = "\(try #require(error))".split(separator: "\n")
        #expect(lines.first.map(String.init) == shown)
        let place = try #require(shown.firstRange(of: name)?.lowerBound)
        #expect(lines[1] == String(repeating: " ", count: shown[..<place].count) + "^")
    }

    @Test("a kind of another package masks what it declares secret")
    func otherKinds() {
        var endpoint = TokenEndpoint()
        endpoint.token = "hunter2"
        #expect("\(endpoint)" == "token:token=hunter2")
        #expect(endpoint.redacted == "token:token=***")
    }
}

private struct TokenEndpoint: ClientEndpoint, EndpointKind {
    static let kind = "token"
    static let arguments: [EndpointArgument<TokenEndpoint>] = [
        .optional("token", \.token, help: "what proves who we are").secret
    ]
    var token: String?

    func connect(in context: EndpointContext) async throws -> Connection {
        throw CancellationError()
    }
}

/// Keeps what the endpoints of failed attempts were called.
private final class NameCollector: EndpointObserver {
    let failed = Lock<[String]>([])

    func connectFailed(to endpoint: String, after duration: Duration, _ error: any Error) {
        failed.withLock { $0.append(endpoint) }
    }
}
