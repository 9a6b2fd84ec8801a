import Endpoints
import Testing

@Suite("The registry")
struct RegistryTests {
    @Test("a kind added to a copy is known there and nowhere else")
    func copies() throws {
        var registry = EndpointRegistry.standard
        registry.register(MyKind.self)
        registry.register(MyWrapper.self)
        #expect("\(try clientFromString("my:thing", in: registry))" == "my:thing=thing")
        #expect(
            "\(try serverFromString("mywrapper:[tcp:0]", in: registry))"
                == "mywrapper:endpoint=tcp\\:port=0"
        )
        #expect(throws: EndpointStringError.self) { try clientFromString("my:thing") }
    }

    @Test("a kind of the same name replaces the one before")
    func replacing() throws {
        struct Other: ClientEndpoint, EndpointKind {
            static let kind = "TCP"
            static let arguments: [EndpointArgument<Other>] = []
            func connect(in context: EndpointContext) async throws -> Connection {
                throw Unreachable()
            }
        }
        var registry = EndpointRegistry.standard
        registry.register(Other.self)
        #expect(try clientFromString("tcp:", in: registry) is Other)
        #expect(try serverFromString("tcp:80", in: registry) is TCPServerEndpoint)
    }

    @Test("a kind for both sides is in both tables")
    func bothSides() throws {
        #expect(try clientFromString("terminal:", in: .test) is Terminal)
        #expect(try serverFromString("terminal:", in: .test) is Terminal)
    }

    @Test("kinds are listed with arguments, types and defaults")
    func listing() throws {
        let kinds = EndpointRegistry.standard.kinds(for: .server)
        #expect(kinds.map(\.kind) == kinds.map(\.kind).sorted())
        let unix = try #require(kinds.first { $0.kind == "unix" })
        let names = ["address", "mode", "backlog", "lockfile", "user", "group"]
        #expect(unix.arguments.map(\.name) == names)
        #expect(unix.arguments.map(\.position) == [0, 1, 2, 3, nil, nil])
        #expect(unix.arguments.filter(\.isRequired).map(\.name) == ["address"])
        #expect(unix.arguments.map(\.type) == [.text, .text, .number, .boolean, .text, .text])
        #expect(
            unix.arguments.map(\.defaultValue) == [
                nil, .text("666"), .number("4096"), .boolean(true), nil, nil,
            ]
        )
        #expect(unix.arguments[0].aliases == ["path"])

        let clients = EndpointRegistry.test.kinds(for: .client)
        let secure = try #require(clients.first { $0.kind == "secure" })
        let level = try #require(secure.arguments.first { $0.name == "level" })
        #expect(level.choices == ["none", "request", "require"])
        #expect(secure.arguments.last?.type == .endpoint(.client))
        let prefix = try #require(clients.first { $0.kind == "prefix" })
        #expect(prefix.arguments.map(\.isPrefixed) == [true])
    }

    @Test(
        "a string is explained with its arguments as given, under their own names, and the defaults"
    )
    func explanation() throws {
        let unix = try EndpointRegistry.standard.explain(
            "UNIX:lockfile=yes:address=/a",
            as: .client
        )
        #expect(unix.side == .client)
        #expect(unix.kind == "unix")
        #expect(unix.arguments.map(\.name) == ["checkPID", "path"])
        #expect(unix.arguments.map(\.value) == [.boolean(true), .text("/a")])
        #expect(unix.defaults.map(\.name) == ["timeout"])
        #expect(unix.defaults.map(\.value) == [.number("30")])
        #expect(unix.canonical == "unix:path=/a:checkPID=1")
    }

    @Test("a default that is given is an argument, though the canonical string leaves it out")
    func givenDefault() throws {
        let tcp = try EndpointRegistry.standard.explain("tcp:080:backlog=4096")
        #expect(tcp.arguments.map(\.value) == [.number("80"), .number("4096")])
        #expect(tcp.canonical == "tcp:port=80")
        #expect(
            tcp.defaults.map(\.name) == [
                "interface", "noDelay", "reusePort", "multipath", "fastOpen",
            ]
        )
    }

    @Test("a nested endpoint is explained as one")
    func nestedExplanation() throws {
        let secure = try EndpointRegistry.test.explain(
            "secure:a:443:timeout=0.5:endpoint=[tcp:b:1]",
            as: .client
        )
        guard case .endpoint(let inner) = secure.arguments.last?.value else {
            Issue.record("no endpoint")
            return
        }
        #expect(
            secure.arguments.dropLast().map(\.value) == [
                .text("a"), .number("443"), .number("0.5"),
            ]
        )
        #expect(inner.kind == "tcp")
        #expect(inner.arguments.map(\.value) == [.text("b"), .number("1")])
        let prefix = try EndpointRegistry.test.explain("prefix:tcp:80", as: .server)
        #expect(prefix.arguments.map(\.name) == ["endpoint"])
        #expect(prefix.canonical == "prefix:tcp:port=80")
    }

    @Test("without a side the server's reading comes first, then the client's")
    func eitherSide() throws {
        let registry = EndpointRegistry.standard
        #expect(try registry.explain("tcp:80").side == .server)
        #expect(try registry.explain("unix:/a").side == .server)
        #expect(try registry.explain("tcp:example.com:80").side == .client)
        #expect(try EndpointRegistry.test.explain("my:a").side == .client)
    }

    @Test("without a side the error is that of the reading that came further")
    func eitherError() throws {
        let registry = EndpointRegistry.standard
        let client = #expect(throws: EndpointStringError.self) {
            try registry.explain("tcp:example.com:port=eighty")
        }
        #expect(client?.column == 22)
        let server = #expect(throws: EndpointStringError.self) {
            try registry.explain("unix:/a:mode=9")
        }
        #expect(
            server?.message
                == "argument \"mode\" of \"unix\": \"9\" is not an octal mode from 0 to 777"
        )
        let neither = #expect(throws: EndpointStringError.self) { try registry.explain("8080") }
        #expect(neither?.hint == "did you mean tcp:8080?")
    }
}
