import Endpoints
import Testing

@Suite("The command line", .timeLimit(.minutes(1)))
struct CommandLineTests {
    @Test(
        "what is wrong with it is said on stderr, with status 64",
        arguments: [
            ["frobnicate"], ["echo"], ["echo", "8080"], ["echo", "--loops", "0", "tcp:0"],
            ["echo", "--drain", "-1", "tcp:0"], ["connect"],
            ["connect", "tcp:example.com:port=eighty"], ["relay", "tcp:0"],
            ["relay", "tcp:0", "nothing"], ["explain"],
            ["explain", "--server", "--client", "tcp:1"],
            ["explain", "tcp"], ["kinds", "--frobnicate"], ["demo", "more"],
        ]
    )
    func usage(arguments: [String]) async throws {
        let end = try await ToolProcess(arguments).finish()
        #expect(end.output == "")
        #expect(!end.errors.isEmpty)
        #expect(end.status == 64)
    }

    @Test("a value that an option does not take is said on stderr, with status 64")
    func refusedValue() async throws {
        let end = try await ToolProcess(["echo", "--log-level", "loud", "tcp:0"]).finish()
        #expect(end.output == "")
        #expect(end.errors.contains("\"loud\" is no log level; write one of "))
        #expect(end.status == 64)
    }

    @Test("help is no error", arguments: [["--help"], ["echo", "--help"], ["help", "relay"]])
    func help(arguments: [String]) async throws {
        let end = try await ToolProcess(arguments).finish()
        #expect(end.output.contains("USAGE"))
        #expect(end.errors == "")
        #expect(end.status == 0)
    }

    @Test("a wrong endpoint string is shown with a caret under the place, and a suggestion")
    func caret() async throws {
        let end = try await ToolProcess(["connect", "tcp:example.com:prot=80"]).finish()
        let lines = end.errors.split(separator: "\n")
        #expect(lines.first == "tcp:example.com:prot=**")
        #expect(lines.dropFirst().first == "                ^")
        #expect(lines.last == "did you mean \"port\"?")
    }

    @Test("the kinds that the registry knows are listed, in both forms")
    func kinds() async throws {
        let text = try await ToolProcess(["kinds"]).finish()
        let json = try await ToolProcess(["kinds", "--json"]).finish()
        let lines = json.output.split(separator: "\n")
        for side in EndpointSide.allCases {
            for kind in EndpointRegistry.standard.kinds(for: side) {
                #expect(text.output.contains("\(side.rawValue) \(kind.kind): "))
                let head = #"{"side":"\#(side.rawValue)","kind":"\#(kind.kind)","#
                #expect(lines.contains { $0.hasPrefix(head) })
            }
        }
        #expect(text.status == 0)
        #expect(json.status == 0)
    }
}

@Suite("endpoint explain", .timeLimit(.minutes(1)))
struct ExplainCommandTests {
    @Test(
        "as JSON it gives the arguments under their own names, and the defaults beside",
        arguments: [
            (
                ["unix:/run/a.sock:lockfile=0"],
                #"{"side":"server","kind":"unix","arguments":{"address":"/run/a.sock","#
                    + #""lockfile":false},"canonical":"unix:address=/run/a.sock:lockfile=0","#
                    + #""defaults":{"mode":"666","backlog":4096}}"#
            ),
            (
                ["--client", "unix:address=/run/a.sock:timeout=2.5"],
                #"{"side":"client","kind":"unix","arguments":{"path":"/run/a.sock","timeout":2.5},"#
                    + #""canonical":"unix:path=/run/a.sock:timeout=2.5","#
                    + #""defaults":{"checkPID":false}}"#
            ),
            (
                ["stdio:"],
                #"{"side":"server","kind":"stdio","arguments":{},"canonical":"stdio:","defaults":{}}"#
            ),
        ]
    )
    func json(arguments: [String], expected: String) async throws {
        let end = try await ToolProcess(["explain", "--json"] + arguments).finish()
        #expect(end == (expected + "\n", "", 0))
    }

    @Test("for people it tells each nested endpoint too, with its defaults, by its argument's name")
    func nested() async throws {
        let string = "connect:a.example:443:proxy=[haproxy:tcp:b.example:80:timeout=9]:timeout=5"
        let end = try await ToolProcess(["explain", "--client", string]).finish()
        #expect(end.status == 0)
        let lines = end.output.split(separator: "\n").map(String.init)
        #expect(lines[1].hasPrefix("client, connect: "))
        let haproxy = try #require(lines.firstIndex { $0.hasPrefix("proxy, haproxy: ") })
        let tcp = try #require(lines.firstIndex { $0.hasPrefix("proxy.endpoint, tcp: ") })
        #expect(lines[haproxy..<tcp].contains { $0.hasPrefix("  version  2") })
        let own = lines[tcp...]
        #expect(own.contains { $0.hasPrefix("  timeout  9") })
        let defaults = try #require(own.firstIndex(of: "defaults:"))
        #expect(own[defaults...].contains { $0.hasPrefix("  noDelay ") })
    }

    @Test("lines of stdin are answered by one line each, in order; 64 if any was wrong")
    func lines() async throws {
        let tool = try ToolProcess(["explain", "--json", "-"])
        try await tool.stream.write("tcp:80\nfoo\u{1}:1\n\n".utf8)
        #expect(try await tool.line().hasPrefix(#"{"side":"server","kind":"tcp","#))
        let wrong = try await tool.line()
        #expect(wrong.hasPrefix(#"{"error":{"message":"unknown kind"#))
        #expect(wrong.contains(#""column":1,"hint":"#))
        let empty = #"{"error":{"message":"the kind is empty","column":1,"hint":null}}"#
        #expect(try await tool.line() == empty)
        try await tool.stream.closeWrite()
        #expect(try await tool.finish() == ("", "", 64))
    }

    @Test("only right lines end with 0")
    func rightLines() async throws {
        let tool = try ToolProcess(["explain", "-"])
        try await tool.stream.write("tcp:80\r\ntcp:example.com:80".utf8)
        try await tool.stream.closeWrite()
        let expected = "server tcp:port=80\nclient tcp:host=example.com:port=80\n"
        #expect(try await tool.finish() == (expected, "", 0))
    }
}

@Suite("endpoint demo", .timeLimit(.minutes(2)))
struct DemoCommandTests {
    @Test("every kind that the registry knows is shown or named, and all of it is done")
    func all() async throws {
        let end = try await ToolProcess(["demo"]).finish()
        #expect(end.errors == "")
        #expect(end.status == 0)
        let first = Set(
            end.output.split(separator: "\n").compactMap { $0.split(separator: " ").first }
        )
        for side in EndpointSide.allCases {
            for kind in EndpointRegistry.standard.kinds(for: side) {
                #expect(first.contains(Substring(kind.kind)), "\(side) \(kind.kind)")
            }
        }
        #expect(!end.output.contains("FAILED"))
    }
}
