// The two forms of ours that meet each peer: the library in the tests' own process, and the tool.

import Endpoints
import Glibc
import RealPeers
import Testing

/// What of ours is under test.
enum Ours: String, CaseIterable, CustomTestStringConvertible {
    case library, tool

    var testDescription: String { rawValue }

    /// Serves an echo while `body` runs.
    nonisolated(nonsending)
        func withEcho(
            at server: String,
            _ peers: Peers,
            _ body: nonisolated(nonsending) (Address) async throws -> Void
        ) async throws
    {
        switch self {
        case .library:
            let listener = try await serverFromString(server).listen()
            let serving = Task {
                try await listener.serve { connection in
                    var buffer = ReadBuffer()
                    while try await connection.read(into: &buffer) > 0 {
                        try await connection.write(buffer)
                        buffer.removeAll()
                    }
                }
            }
            do {
                try await body(Address(listener.addresses[0], of: server))
            } catch {
                serving.cancel()
                throw error
            }
            await listener.close()
            try await serving.value
        case .tool:
            let tool = try peers.tool("echo", server)
            try await body(try await tool.listeningAddress())
            tool.send(SIGTERM)
            #expect(try await tool.waitForExit() == .status(0))
            #expect(tool.errors.text == "")
        }
    }

    /// Connects, sends a file, half-closes, and reads the answer to its end.
    func exchange(_ client: String, sending path: String, _ peers: Peers) async throws -> [UInt8] {
        switch self {
        case .library:
            return try await clientFromString(client).withConnection { connection in
                async let sent: Void = {
                    try await connection.sendFile(path)
                    try await connection.closeWrite()
                }()
                var answer: [UInt8] = []
                for try await chunk in connection { answer += chunk }
                try await sent
                return answer
            }
        case .tool:
            let tool = try peers.tool("connect", client, input: .file(path))
            let answer = try await tool.output.toEnd()
            #expect(try await tool.waitForExit() == .status(0))
            return answer
        }
    }
}

extension Address {
    /// The address of a listener of ours, which says it in the library's terms.
    init(_ address: SocketAddress, of server: String) {
        if let port = address.port {
            self = .tcp(host: address.ip ?? "", port: "\(port)")
        } else {
            self.init(listening: server)
        }
    }
}

extension ChildProcess {
    /// Waits for the tool's `listening` line.
    func listeningAddress() async throws -> Address {
        try await output.firstLine { line in
            line.hasPrefix("listening ") ? Address(listening: String(line.dropFirst(10))) : nil
        }
    }
}
