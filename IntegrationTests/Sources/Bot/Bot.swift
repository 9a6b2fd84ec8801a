import Endpoints

@main struct Bot {
    static func main() async throws {
        let server = try clientFromString(CommandLine.arguments[1])  // tls:irc.example.net:6697
        let keyboard = try await clientFromString("stdio:").connect()
        let client = ReconnectingClient(server) { irc in
            try await irc.write("NICK bot\r\nUSER bot 0 * :bot\r\nJOIN #bots\r\n".utf8)
            return irc
        }
        await client.start()
        Task {
            for try await line in keyboard.lines() {  // waits while the server is away
                try await client.whenConnected().write("PRIVMSG #bots :\(line)\r\n".utf8)
            }
            await client.stop()
        }
        for await irc in client.connections {  // each new connection
            do {
                for try await line in irc.lines() {
                    print(line)
                    if line.hasPrefix("PING ") {
                        try await irc.write("PONG \(line.dropFirst(5))\r\n".utf8)
                    }
                }
            } catch { print(error) }
        }
    }
}
