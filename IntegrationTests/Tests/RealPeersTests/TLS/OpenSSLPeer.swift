// The openssl command on the other side.

import Endpoints
import RealPeers
import Testing

extension TLSVersion {
    /// The option of openssl-s_client(1) that allows no other.
    var opensslOption: String { self == .tls13 ? "-tls1_3" : "-tls1_2" }
}

extension Peers {
    /// Starts openssl-s_client(1), which verifies the server, prints what was agreed on, and then
    /// sends its input and prints what comes.
    func sClient(
        _ port: String,
        _ certificates: Certificates,
        name: String = "localhost",
        _ arguments: String...
    ) throws -> ChildProcess {
        try start(
            [
                "openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-CAfile",
                certificates.authority, "-verify_return_error", "-servername", name,
                "-verify_hostname", name,
            ] + arguments
        )
    }

    /// Starts openssl-s_server(1), and waits until it listens.
    func sServer(
        _ certificates: Certificates,
        _ arguments: String...
    ) async throws -> (process: ChildProcess, port: String) {
        let server = try start(
            [
                "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert",
                certificates.file("localhost.pem"), "-key", certificates.file("localhost.key"),
            ] + arguments
        )
        let port = try await server.output.firstLine { line in
            line.firstMatch(of: /ACCEPT 127\.0\.0\.1:(\d+)/).map { String($0.1) }
        }
        return (server, port)
    }
}

extension ChildProcess {
    /// Sends a line, and waits for the line that answers it.
    func ask(_ line: String) async throws -> String {
        write(Array("\(line)\n".utf8))
        return try await output.firstLine { $0.contains("\(line): ") ? $0 : nil }
    }

    /// Tells openssl-s_client(1) to say goodbye, and waits for its end.
    func quit() async throws {
        write(Array("Q\n".utf8))
        #expect(try await waitForExit() == .status(0))
    }

    /// What it prints until its end, on both outputs, with its exit.
    func toExit() async throws -> (exit: Exit, text: String) {
        _ = try await output.toEnd()
        let exit = try await waitForExit()
        return (exit, output.text + errors.text)
    }
}
