import Endpoints
import Testing

@Suite("Strings from untrusted hands", .tags(.security))
struct NetworkRegistryTests {
    private static let forbidden = [
        "process:/bin/sh", "fd:3", "stdio:", "unix:/run/a", "unix:@a", "memory:a", "systemd:name=a",
    ]

    @Test(
        "what is more than the network is refused, wherever it is nested",
        arguments: forbidden,
        [
            "X", "tls:h:443:endpoint=[X]", "haproxy:X", "haproxy:from=10.0.0.1:haproxy:X",
            "socks5:h:1:proxy=[X]", "connect:h:1:proxy=[tls:h:1:endpoint=[haproxy:X]]",
            "tls:443:privateKey=/k:endpoint=[X]",
        ]
    )
    func refused(kind: String, around: String) {
        let string = around.replacing("X", with: kind)
        #expect(throws: EndpointStringError.self) {
            try clientFromString(string, in: .network)
        }
        #expect(throws: EndpointStringError.self) {
            try serverFromString(string, in: .network)
        }
    }

    @Test(
        "arguments that write a file or send one are refused, wherever they are nested",
        arguments: [
            ("tls:h:443:keyLog=/tmp/a", "keyLog"),
            ("haproxy:tls:h:443:keyLog=/tmp/a", "keyLog"),
            ("tls:h:443:endpoint=[tls:h:443:keyLog=/tmp/a]", "keyLog"),
            ("socks5:h:1:proxy=[tcp:p:1]:user=u:passwordFile=/etc/shadow", "passwordFile"),
            ("connect:h:1:proxy=[tcp:p:1]:user=u:passwordFile=/etc/shadow", "passwordFile"),
        ]
    )
    func arguments(string: String, name: String) throws {
        _ = try clientFromString(string)
        let error = #expect(throws: EndpointStringError.self) {
            try clientFromString(string, in: .network)
        }
        #expect(error?.message.hasPrefix("argument \"\(name)\" of ") == true)
        #expect(error?.message.contains("is not allowed here: it ") == true)
        #expect(throws: EndpointStringError.self) {
            try serverFromString("tls:443:privateKey=/k:keyLog=/a", in: .network)
        }
    }

    @Test("what is refused says why, at its place")
    func reason() {
        let error = #expect(throws: EndpointStringError.self) {
            try clientFromString("tls:h:443:endpoint=[process:/bin/sh]", in: .network)
        }
        #expect(error?.message == "kind \"process\" is not allowed here: it runs a program")
        #expect(error?.column == 21)
    }

    @Test("what reaches the network is allowed")
    func allowed() throws {
        let clients = [
            "tcp:h:80", "tcp6:h:80", "tls:h:443:trustRoots=/etc/ca.pem", "ssl:h:443",
            "haproxy:tcp:h:80", "socks5:h:80:proxy=[tcp:p:1080]:user=u:password=p",
            "connect:h:80:proxy=[tls:p:3128]", "tls:h:1:endpoint=[tcp:h:1]",
        ]
        for string in clients {
            let endpoint = try clientFromString(string, in: .network)
            #expect("\(endpoint)" == "\(try clientFromString(string))")
        }
        let servers = [
            "tcp:80", "tcp6:80", "tls:443:privateKey=/k.pem", "haproxy:from=10.0.0.0/8:tcp:80",
        ]
        for string in servers {
            let endpoint = try serverFromString(string, in: .network)
            #expect("\(endpoint)" == "\(try serverFromString(string))")
        }
    }

    @Test("the kinds listed are those allowed")
    func kinds() {
        let kinds = EndpointSide.allCases.flatMap { EndpointRegistry.network.kinds(for: $0) }
        #expect(
            Set(kinds.map(\.kind)) == ["tcp", "tcp6", "tls", "ssl", "haproxy", "socks5", "connect"]
        )
    }

    @Test("a kind that a program adds is held to what it declares")
    func ownKinds() throws {
        var registry = EndpointRegistry.network
        registry.register(Shell.self)
        registry.register(MyKind.self)
        _ = try clientFromString("my:thing", in: registry)
        #expect(throws: EndpointStringError.self) { try clientFromString("shell:", in: registry) }
    }

    @Test(
        "an explanation warns of what a string runs, adopts, writes or trusts",
        arguments: [
            ("process:/bin/cat", ["runs a program"]),
            ("fd:3", ["uses a descriptor that the process already has"]),
            ("tls:h:443:keyLog=/a", ["writes to a file"]), ("tcp:h:80", []), ("unix:/a", []),
            ("stdio:", []),
        ]
    )
    func warnings(string: String, warnings: [String]) throws {
        let explanation = try EndpointRegistry.standard.explain(string, as: .client)
        #expect(explanation.warnings == warnings)
    }

    @Test("an explanation says that haproxy: without from= trusts everybody")
    func trusting() throws {
        let registry = EndpointRegistry.standard
        let open = try registry.explain("haproxy:tcp:80", as: .server)
        #expect(open.warnings.count == 1 && open.warnings[0].contains("from="))
        #expect(try registry.explain("haproxy:from=unix:tcp:80", as: .server).warnings.isEmpty)
    }
}

private struct Shell: ClientEndpoint, EndpointKind {
    static let kind = "shell"
    static let powers: Set<EndpointPower> = [.runsProgram]
    static let arguments: [EndpointArgument<Shell>] = []

    func connect(in context: EndpointContext) async throws -> Connection { throw Unreachable() }
}
