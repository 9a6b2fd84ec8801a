import Endpoints
import Foundation
import RealPeers
import Testing

/// Debian's ngircd, over TLS, in a test's folder.
private struct IRCServer {
    let peers: Peers
    let port: UInt16

    /// Makes its key and its configuration; the port is free at the moment.
    init(_ peers: Peers) async throws {
        self.peers = peers
        let server: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        let listener = try await server.listen()
        port = listener.addresses.first?.port ?? 0
        await listener.close()

        let commands = [
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
                + " -addext subjectAltName=IP:127.0.0.1"
                + " -keyout \(peers.path("key.pem")) -out \(peers.path("certificate.pem"))",
            // A group that is known: to find one may take minutes.
            "genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out \(peers.path("dh.pem"))",
        ]
        for command in commands {
            let words = ["openssl"] + command.split(separator: " ").map(String.init)
            #expect(try await peers.start(words).waitForExit() == .status(0))
        }
        let configuration = """
            [Global]
                Name = irc.example.net
                Info = of a test
                Listen = 127.0.0.1
                Ports =
            [Options]
                DNS = no
                Ident = no
                PAM = no
            [SSL]
                CertFile = \(peers.path("certificate.pem"))
                KeyFile = \(peers.path("key.pem"))
                DHFile = \(peers.path("dh.pem"))
                Ports = \(port)
            """
        try configuration.write(
            toFile: peers.path("ngircd.conf"),
            atomically: true,
            encoding: .utf8
        )
    }

    /// Our string for it.
    var client: String { "tls:127.0.0.1:\(port):trustRoots=\(peers.path("certificate.pem"))" }

    func start() async throws -> ChildProcess {
        let configuration = peers.path("ngircd.conf")
        let process = try peers.start("/usr/sbin/ngircd", "-n", "-f", configuration)
        _ = try await process.output.firstLine { $0.contains("Now listening on") ? $0 : nil }
        return process
    }

    func stop(_ process: ChildProcess) async throws {
        process.send(SIGTERM)
        #expect(try await process.waitForExit() == .status(0))
    }

    /// Runs `body` with a user who is in the channel.
    func withUser(
        _ name: String,
        _ body: (Connection) async throws -> Void
    ) async throws {
        try await clientFromString(client).withConnection { connection in
            let hello = "NICK \(name)\r\nUSER \(name) 0 * :\(name)\r\nJOIN #bots\r\n"
            try await connection.write(hello.utf8)
            try await line(of: connection) { $0.contains(" 366 ") }
            try await body(connection)
        }
    }

    /// Reads until such a line comes.
    func line(of connection: Connection, _ isWanted: (String) -> Bool) async throws {
        for try await line in connection.lines() where isWanted(line) { return }
        Issue.record("the server ended the connection")
    }
}

@Suite("A bot on an IRC server", .timeLimit(.minutes(3)))
struct IRCTests {
    @Test("the README's bot speaks, comes back after a restart of the server, and speaks again")
    func restart() async throws {
        try await Peers.scope { peers in
            let server = try await IRCServer(peers)
            var process = try await server.start()
            // Line by line, though it is no terminal.
            let bot = try peers.start("stdbuf", "-oL", Peers.program("Bot"), server.client)
            for round in 1...3 {
                // The channel's names end once for each time that it joins.
                try await bot.output.lines(round) { $0.contains(" 366 ") }
                try await server.withUser("watcher") { connection in
                    bot.write(Array("round \(round)\n".utf8))
                    try await server.line(of: connection) {
                        $0.hasPrefix(":bot!") && $0.hasSuffix("PRIVMSG #bots :round \(round)")
                    }
                }
                try await server.stop(process)
                process = try await server.start()
            }
            try await bot.output.lines(4) { $0.contains(" 366 ") }
            bot.closeInput()
            #expect(try await bot.waitForExit() == .status(0))
            try await server.stop(process)
        }
    }

    @Test("what waits for a connection gets the next, while others follow each of them")
    func waiters() async throws {
        try await Peers.scope { peers in
            let server = try await IRCServer(peers)
            let client = ReconnectingClient(
                try clientFromString(server.client),
                retry: .constant(.milliseconds(50))
            ) { connection in
                try await connection.write("NICK bot\r\nUSER bot 0 * :bot\r\n".utf8)
                for try await line in connection.lines() where line.contains(" 001 ") {
                    return connection
                }
                throw EndpointError(.unexpectedEnd, operation: "register")
            }
            // Nobody listens yet: one who has no patience is told so.
            await client.start()
            let error = await #expect(throws: EndpointError.self) {
                try await client.whenConnected(failAfterFailures: 2)
            }
            #expect(error?.code == .connectionRefused)
            var connections = client.connections.makeAsyncIterator()
            var seen: [Connection] = []
            for _ in 0..<3 {
                async let waiting = client.whenConnected()
                let process = try await server.start()
                let followed = try #require(await connections.next())
                #expect(try await waiting === followed)
                #expect(followed.tls != nil)
                try await followed.write("PING :here\r\n".utf8)
                try await server.line(of: followed) { $0.contains(" PONG ") }
                seen.append(followed)
                try await server.stop(process)
                // So that the next one who waits does not get this one.
                for await state in client.states { if case .waiting = state { break } }
            }
            #expect(Set(seen.map(ObjectIdentifier.init)).count == 3)
            await client.stop()
        }
    }
}
