import Endpoints
import Foundation

extension Scenario {
    static func process() async throws {
        try await withLoops { context in
            let endpoint = try clientFromString("process:/bin/cat")
            try await endpoint.withConnection(in: context) { try await exchange($0) }
        }
    }

    static func relayed() async throws {
        try await withLoops { context in
            try await serving("tcp:0:interface=127.0.0.1", in: context) { upstream in
                let target = try client(of: upstream)
                let front = try await serverFromString("tcp:0:interface=127.0.0.1").listen(
                    in: context
                )
                let relaying = Task {
                    try await front.serve { connection in
                        try await target.withConnection(in: context) { other in
                            _ = try await relay(between: connection, and: other)
                        }
                    }
                }
                do {
                    let near = try client(of: front)
                    try await near.withConnection(in: context) { try await exchange($0) }
                } catch {
                    await front.drain(within: .milliseconds(50))
                    _ = try? await relaying.value
                    throw error
                }
                await front.drain(within: .milliseconds(50))
                try await relaying.value
            }
        }
    }

    static func sendingFile() async throws {
        let path = "\(directory)/file"
        try Data(repeating: 7, count: 100_000).write(to: URL(fileURLWithPath: path))
        try await withLoops { context in
            try await serving("tcp:0:interface=127.0.0.1", in: context) { listener in
                try await client(of: listener).withConnection(in: context) { connection in
                    try await withTimeout(.seconds(5)) {
                        async let sent: Void = {
                            try await connection.sendFile(path)
                            try await connection.closeWrite()
                        }()
                        var count = 0
                        for try await chunk in connection { count += chunk.count }
                        try await sent
                        guard count == 100_000 else {
                            throw EndpointError(.truncated, operation: "echo", endpoint: "a file")
                        }
                    }
                }
            }
        }
    }

    static func reconnecting() async throws {
        try await withLoops { context in
            try await serving("tcp:0:interface=127.0.0.1", in: context) { listener in
                let client = ReconnectingClient(
                    try client(of: listener),
                    in: context,
                    retry: .constant(.milliseconds(5))
                ) { $0 }
                await client.start()
                do {
                    let first = try await withTimeout(.seconds(5)) {
                        try await client.whenConnected()
                    }
                    first.abort()
                    _ = try await withTimeout(.seconds(5)) { try await client.whenConnected() }
                } catch {
                    await client.stop(within: .milliseconds(50))
                    throw error
                }
                await client.stop(within: .milliseconds(50))
            }
        }
    }

    static func aborted() async throws {
        try await withLoops { context in
            try await serving("tcp:0:interface=127.0.0.1", in: context) { listener in
                let connection = try await client(of: listener).connect(in: context)
                try? await connection.write("hello".utf8)
                connection.abort()
            }
        }
    }
}
