// Each scenario has loops of its own, which it shuts down, so that whatever is left open afterwards was
// leaked. It may throw; it must end.

import Endpoints
import Foundation
import Logging

/// Something that servers and clients do, from the first system call to the last.
struct Scenario: Sendable {
    let name: String
    let run: @Sendable () async throws -> Void

    static let all: [Scenario] = [
        Scenario(name: "tcp") { try await echo("tcp:0:interface=127.0.0.1") },
        Scenario(name: "unix") { try await echo("unix:\(directory)/echo.sock:mode=600") },
        Scenario(name: "tls") { try await echo(tls) },
        Scenario(name: "proxy") {
            try await echo("haproxy:from=127.0.0.1:tcp:0:interface=127.0.0.1")
        },
        Scenario(name: "names") {
            try await echo("tcp:0:interface=127.0.0.1") { address in
                try clientFromString("tcp:localhost:\(address.port ?? 0)")
            }
        },
        Scenario(name: "process") { try await process() },
        Scenario(name: "relay") { try await relayed() },
        Scenario(name: "file") { try await sendingFile() },
        Scenario(name: "reconnect") { try await reconnecting() },
        Scenario(name: "abort") { try await aborted() },
    ]

    static let directory: String = {
        let path = NSTemporaryDirectory() + "fault-walk-\(getpid())"
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }()

    private static let tls: String = {
        let key = "\(directory)/key.pem"
        let openssl = Process()
        openssl.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        openssl.arguments = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out",
            "\(directory)/cert.pem",
        ]
        openssl.standardError = FileHandle.nullDevice
        try? openssl.run()
        openssl.waitUntilExit()
        return "tls:0:interface=127.0.0.1:privateKey=\(key):certificate=\(directory)/cert.pem"
    }()

    /// Runs `body` with loops that are gone when it returns.
    static func withLoops(_ body: (EndpointContext) async throws -> Void) async throws {
        var logger = Logger(label: "walk")
        logger.logLevel = .critical
        let group = EventLoopGroup(loopCount: 1)
        let context = EndpointContext(loops: group, logger: logger)
        do {
            try await body(context)
            await group.shutdown()
        } catch {
            await group.shutdown()
            throw error
        }
    }

    /// Serves an echo while `body` runs, then drains it.
    static func serving(
        _ server: String,
        in context: EndpointContext,
        _ body: (Listener) async throws -> Void
    ) async throws {
        let listener = try await serverFromString(server).listen(in: context)
        let serving = Task {
            try await listener.serve { connection in
                for try await chunk in connection { try await connection.write(chunk) }
                try await connection.closeWrite()
            }
        }
        do { try await body(listener) } catch {
            await listener.drain(within: .milliseconds(50))
            _ = try? await serving.value
            throw error
        }
        await listener.drain(within: .milliseconds(50))
        try await serving.value
    }

    static func exchange(_ connection: Connection) async throws {
        try await withTimeout(.seconds(5)) {
            try await connection.write("hello\n".utf8)
            try await connection.write([Array("a".utf8), Array("b\n".utf8)])
            try await connection.closeWrite()
            var lines: [String] = []
            for try await line in connection.lines() { lines.append(line) }
            guard lines == ["hello", "ab"] else {
                throw EndpointError(.unexpectedEnd, operation: "exchange", endpoint: "\(lines)")
            }
        }
    }

    static func client(of listener: Listener) throws -> any ClientEndpoint {
        guard let client = listener.clientEndpoints.first else {
            throw EndpointError(.invalidArgument, operation: "find", endpoint: "a client")
        }
        if var tls = client as? TLSClientEndpoint {
            tls.configuration.trustRoots = .insecurelyTrustsAnybody
            return tls
        }
        return client
    }

    static func echo(
        _ server: String,
        _ client: ((SocketAddress) throws -> any ClientEndpoint)? = nil
    ) async throws {
        try await withLoops { context in
            try await serving(server, in: context) { listener in
                let client = try client?(listener.addresses[0]) ?? self.client(of: listener)
                let connection = try await withTimeout(.seconds(5)) {
                    try await client.connect(in: context)
                }
                do { try await exchange(connection) } catch {
                    await connection.close()
                    throw error
                }
                await connection.close()
            }
        }
    }
}
