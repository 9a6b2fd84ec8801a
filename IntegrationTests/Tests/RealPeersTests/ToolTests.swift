import Glibc
import RealPeers
import Testing

@Suite("The tool's words and statuses", .serialized, .timeLimit(.minutes(1)))
struct ToolTests {
    @Test(
        "a wrong command line or endpoint string is 64, and the reason is on standard error",
        arguments: [
            (["frobnicate"], "frobnicate"),
            (["echo"], "<server>"),
            (["echo", "--frobnicate", "tcp:0"], "--frobnicate"),
            (["echo", "8080"], "did you mean tcp:8080?"),
            (["echo", "tcp:0:interfase=127.0.0.1"], "interface"),
            (["connect", "tcp:example.com:eighty"], "eighty"),
            (["connect", "--loops", "none", "tcp:example.com:80"], "--loops"),
            (["relay", "tcp:0", "tcp:example.com"], "port"),
            (["explain", "tcp:0:backlog=-1"], "backlog"),
        ]
    )
    func wrong(arguments: [String], reason: String) async throws {
        try await Peers.scope { peers in
            let tool = try peers.start([Peers.toolPath] + arguments)
            #expect(try await tool.waitForExit() == .status(64))
            #expect(tool.errors.text.contains(reason), "\(tool.errors.text)")
            #expect(tool.output.text == "")
        }
    }

    @Test(
        "what cannot be done is 1, with one line on standard error",
        arguments: [
            (["connect", "tcp:127.0.0.1:1"], "ECONNREFUSED"),
            (["connect", "unix:/nonexistent/a.sock"], "ENOENT"),
            (["connect", "tcp:nonexistent.invalid:80"], "nonexistent.invalid"),
            (["echo", "tcp:0:interface=192.0.2.1"], "EADDRNOTAVAIL"),
            (["echo", "unix:/nonexistent/a.sock"], "ENOENT"),
        ]
    )
    func failed(arguments: [String], reason: String) async throws {
        try await Peers.scope { peers in
            let tool = try peers.start([Peers.toolPath] + arguments, input: .file("/dev/null"))
            #expect(try await tool.waitForExit() == .status(1))
            #expect(tool.errors.lines.count == 1)
            #expect(tool.errors.text.contains(reason), "\(tool.errors.text)")
            #expect(tool.output.text == "")
        }
    }

    @Test(
        "help is on standard output, and 0",
        arguments: [["--help"], ["echo", "--help"], ["help", "relay"]]
    )
    func help(arguments: [String]) async throws {
        try await Peers.scope { peers in
            let tool = try peers.start([Peers.toolPath] + arguments)
            #expect(try await tool.waitForExit() == .status(0))
            #expect(tool.output.text.contains("USAGE"))
            #expect(tool.errors.text == "")
        }
    }

    @Test("an address that somebody holds is 1, and says so")
    func inUse() async throws {
        try await Peers.scope { peers in
            let first = try peers.tool("echo", "tcp:0:interface=127.0.0.1")
            guard case .tcp(_, let port) = try await first.listeningAddress() else { return }
            let second = try peers.tool("echo", "tcp:\(port):interface=127.0.0.1")
            #expect(try await second.waitForExit() == .status(1))
            #expect(second.errors.text.contains("EADDRINUSE"))
        }
    }

    @Test("each address of each server gets its line, and each can be connected to")
    func severalServers() async throws {
        try await Peers.scope { peers in
            let path = peers.path("a.sock")
            let tool = try peers.tool(
                "echo",
                "tcp:0:interface=127.0.0.1",
                "tcp6:0:interface=[::1]",
                "unix:\(path)"
            )
            let isComplete: @Sendable (String) -> Bool? = { $0.contains(path) ? true : nil }
            _ = try await tool.output.firstLine(isComplete)
            let lines = tool.output.lines
            #expect(lines.count == 3)
            let data = try peers.file("data", Array("one of three\n".utf8))
            for line in lines {
                let address = Address(listening: String(line.dropFirst("listening ".count)))
                let answer = try await Peer.socat.exchange(address, sending: data, peers)
                #expect(answer == Array("one of three\n".utf8))
            }
        }
    }

    @Test("explain answers each line of its input, in JSON that Python reads")
    func explain() async throws {
        try await Peers.scope { peers in
            let strings = """
                tcp:port=80:interface=192.168.1.1
                tcp6:port=80:interface=2001\\:0DB8\\:f00e\\:eb00\\:\\:1
                unix:/var/run/finger:mode=660
                tcp:www.example.com:80:bindAddress=192.0.2.100
                8080
                tcp:80:backlog=many
                """
            let path = try peers.file("strings", Array("\(strings)\n".utf8))
            let tool = try peers.tool("explain", "--json", "-", input: .file(path))
            let json = try await tool.output.toEnd()
            #expect(try await tool.waitForExit() == .status(64))
            let python = try peers.python(
                "json_lines.py",
                "side",
                "kind",
                "canonical",
                "arguments.mode",
                "error.column",
                "error.hint"
            )
            python.write(json)
            python.closeInput()
            _ = try await python.output.toEnd()
            #expect(
                python.output.lines == [
                    #""server" "tcp" "tcp:port=80:interface=192.168.1.1" - - -"#,
                    #""server" "tcp6" "tcp6:port=80:interface=[2001:db8:f00e:eb00::1]" - - -"#,
                    #""server" "unix" "unix:address=/var/run/finger:mode=660" "660" - -"#,
                    #""client" "tcp" "tcp:host=www.example.com:port=80:bindAddress=192.0.2.100" - - -"#,
                    #"- - - - 1 "did you mean tcp:8080?""#,
                    #"- - - - 16 -"#,
                ]
            )
        }
    }

    @Test("kinds names each kind on both sides")
    func kinds() async throws {
        try await Peers.scope { peers in
            let tool = try peers.tool("kinds")
            _ = try await tool.output.toEnd()
            #expect(try await tool.waitForExit() == .status(0))
            for side in ["server", "client"] {
                for kind in ["tcp", "tcp6", "unix"] {
                    #expect(tool.output.text.contains("\(side) \(kind)"))
                }
            }
        }
    }

    @Test("the demo does all that it promises, by itself")
    func demo() async throws {
        try await Peers.scope { peers in
            let tool = try peers.tool("demo")
            _ = try await tool.output.toEnd()
            #expect(try await tool.waitForExit() == .status(0))
            for word in ["tcp ", "tcp6 ", "unix ", "half-close", "slow reader", "cancel", "drain"] {
                #expect(tool.output.text.contains(word))
            }
        }
    }

    @Test("the events of a connection, in JSON that Python reads")
    func events() async throws {
        try await Peers.scope { peers in
            let tool = try peers.tool("echo", "--json", "tcp:0:interface=127.0.0.1")
            let port = try await tool.output.firstLine { line in
                line.firstMatch(of: /"address":"127.0.0.1:(\d+)"/).map { String($0.1) }
            }
            let data = try peers.file("data", seededBytes(10_000))
            let address = Address.tcp(host: "127.0.0.1", port: port)
            _ = try await Peer.socat.exchange(address, sending: data, peers)
            let isClosed: @Sendable (String) -> Bool? = { $0.contains("closed") ? true : nil }
            _ = try await tool.output.firstLine(isClosed)
            tool.send(SIGTERM)
            let json = try await tool.output.toEnd()
            #expect(try await tool.waitForExit() == .status(0))

            let python = try peers.python("json_lines.py", "event", "received", "sent", "end")
            python.write(json)
            python.closeInput()
            _ = try await python.output.toEnd()
            #expect(
                python.output.lines == [
                    #""listening" - - -"#, #""accepted" - - -"#,
                    #""closed" 10000 10000 "peerClosed""#,
                ]
            )
        }
    }
}
