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
                "socks5:h:1:user=u:password=*******:prot=*", "prot"
            ),
            (
                "tls:h:1:endpoint=[socks5:h:1:password=[hun:ter2]:user=u]:prot=2",
                "tls:h:1:endpoint=[socks5:h:1:password=**********:user=u]:prot=*", "prot"
            ),
            (
                "socks5:h:1:password=hunter\\:2:prot=2",
                "socks5:h:1:password=*********:prot=*", "prot"
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

    @Test(
        "no error about a string shows a secret, or the value of an unknown argument",
        arguments: [
            // Misspelt, unknown, in other kinds' arguments, cut up, nested either way.
            "socks5:h:1:proxy=[tcp:p:1]:user=u:passwd=hunter2", "tcp:h:1:passwd=hunter2",
            "tcp:h:1:user=hunter2", "tcp:h:1:passwd=ab:hunter2", "tcp:h:1:passwd=ab:[hunter2]",
            "tcp:h:1:passwd=[ab:hunter2]", "tcp:h:1:PASSWORD=hunter2", "tcp:h:1:pass\\word=hunter2",
            "tls:h:1:endpoint=[socks5:h:1:password=hunter2]:x=1",
            "tls:h:1:endpoint=socks5\\:h\\:1\\:password=hunter2:x=1",
            "tls:h:1:endpoint=socks5\\:h\\:1\\:passwd\\=hunter2",
            "tls:h:1:endpoint=socks5:h:1:password=hunter2", "haproxy:version=1:tcp:h:1:pw=hunter2",
            "haproxy:haproxy:socks5:h:1:pw=hunter2", "haproxy:pw=hunter2:tcp:h:1",
            // A kind that nobody knows, and its hint.
            "sock5:h:1:password=hunter2", "sock5:h:1:passwd=hunter2", "tpc:h:1:x=[hunter2]",
            "sock5:h:1:proxy=[sock5:h:1:password=hunter2]", "password=hunter2",
            ":80:password=hunter2",
            "password=hunter2:tcp:h:1", "[socks5:h:1:password=hunter2]",
            // What cannot be read.
            "socks5:h:1:password=[hunter2", "socks5:h:1:proxy=[tcp:a:1:pw=hunter2",
            "socks5:h:1:password=hunter2\\", "socks5:h:1:password=ab:hunter2\\",
            "tls:h:1:endpoint=[socks5:h:1:password=hunter2", "tcp:h:1:[a]b:password=hunter2",
            "tls:h:1:endpoint=[socks5\\:h\\:1\\:password\\=hunter2",
            "tls:h:1:endpoint=[tls:h:1:endpoint=[socks5:password=hunter2]",
            // More than anybody reads.
            "tcp:h\(String(repeating: ":", count: 1200))passwd=hunter2",
            "haproxy:tcp:h\(String(repeating: ":", count: 1200))passwd=hunter2",
            // Positions of kinds that are not ours.
            "vault:hunter2:x=1", "vault:key=hunter2:x=1", "vault:hunter2:5:6", "vault:[hunter2",
            "valt:hunter2:x=1", "vault:k:pin=hunter2", "tls:h:1:endpoint=[vault:hunter2",
            "vault:k:k2:inner=[vault:hunter2]:x=1",
        ]
    )
    func hidden(string: String) throws {
        var registry = EndpointRegistry.standard
        registry.register(VaultEndpoint.self)
        for side in [EndpointSide.client, .server, nil] {
            let error = #expect(throws: EndpointStringError.self) {
                try registry.explain(string, as: side)
            }
            guard let error else { continue }
            #expect(!"\(error)".contains("hunter2"), "\(error)")
            #expect(!(error.message + (error.hint ?? "")).contains("hunter2"))
            let lines = "\(error)".split(separator: "\n", omittingEmptySubsequences: false)
            guard string.utf8.count < 200, lines.count > 1 else { continue }
            #expect(lines[0].unicodeScalars.count == string.unicodeScalars.count)
            #expect(lines[1].count == error.column)
        }
        if string.contains("password=") {
            // Nobody knows the kinds here: what has a name is hidden.
            #expect(!"\(Result { try EndpointDescription(string) })".contains("hunter2\n"))
        }
    }

    @Test(
        "what is not secret is still shown, and hints still help",
        arguments: [
            ("tcp:example.com:port=x", "tcp:example.com:port=x", nil),
            ("tpc:h:80:timeout=5", "tpc:h:80:timeout=5", "did you mean tcp:h:80:timeout=5?"),
            ("tcp:example.com:prot=80", "tcp:example.com:prot=**", "did you mean \"port\"?"),
            (
                "sock5:h:1:password=x:user=u", "sock5:h:1:password=*:user=u",
                "did you mean socks5:h:1:password=*:user=u?"
            ),
            (
                "tls:h:1:endpoint=tcp:h:2:timeout=5", "tls:h:1:endpoint=tcp:h:2:timeout=5",
                "write endpoint=[tcp:h:2] or endpoint=tcp\\:h\\:2"
            ),
            ("tls:h:443:endpoint=[unix:/a", "tls:h:443:endpoint=[unix:/a", nil),
        ]
    )
    func plainParts(string: String, shown: String, hint: String?) throws {
        let error = #expect(throws: EndpointStringError.self) { try clientFromString(string) }
        let lines = "\(try #require(error))".split(separator: "\n")
        #expect(lines.first.map(String.init) == shown)
        if let hint { #expect(error?.hint == hint) }
    }

    @Test("an explanation has stars in place of secrets, also of defaults and nested ones")
    func explanations() throws {
        var registry = EndpointRegistry.standard
        registry.register(VaultEndpoint.self)
        for string in [Self.socks, "tls:h:1:endpoint=[vault:hunter2:inner=[\(Self.socks)]]"] {
            let explanation = try registry.explain(string)
            #expect(!"\(explanation)".contains("hunter2"))
            #expect(explanation.canonical.contains("=***"))
        }
        #expect(!"\(registry.kinds(for: .client))".contains("hunter0"))
        #expect(!"\(try registry.explain("vault:a"))".contains("hunter0"))
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

/// A kind whose secrets have a position, a default, and a format that quotes them.
private struct VaultEndpoint: ClientEndpoint, EndpointKind {
    static let kind = "vault"
    static let arguments: [EndpointArgument<VaultEndpoint>] = [
        .required("key", \.key, position: 0, help: "what opens it").secret,
        .optional("pin", \.pin, as: pinFormat, help: "digits").secret,
        .optional("spare", \.spare, position: 1, help: "another").secret,
        .optional("inner", \.inner, help: "through what"),
    ]
    private static let pinFormat = EndpointArgumentFormat<Int>(
        expected: "digits",
        read: { text in
            guard let pin = Int(text) else {
                throw EndpointArgumentError("(\(text)) is not digits")
            }
            return pin
        },
        write: { "\($0)" }
    )
    var key = ""
    var pin = 0
    var spare = "hunter0"
    var inner: (any ClientEndpoint)?

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
