import Foundation

/// A key and a certificate for the loopback interface that signs itself, made by the `openssl` command.
final class TestCertificate: Sendable {
    let path: String

    /// Makes the files, on a thread of their own: the command may take a while.
    init() async throws {
        let path = "/tmp/endpoints-conformance-\(getpid())-\(UInt32.random(in: 0 ... .max)).pem"
        self.path = path
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try Self.make(path) })
            }
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private static func make(_ path: String) throws {
        let command = Process()
        command.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let words =
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90"
            + " -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
            + " -keyout \(path) -out \(path).certificate"
        command.arguments = words.split(separator: " ").map(String.init)
        command.standardError = FileHandle.nullDevice
        try command.run()
        command.waitUntilExit()
        // Both in one file, as a server takes them.
        let key = try String(contentsOfFile: path, encoding: .utf8)
        let certificate = try String(contentsOfFile: "\(path).certificate", encoding: .utf8)
        try FileManager.default.removeItem(atPath: "\(path).certificate")
        try (key + certificate).write(toFile: path, atomically: false, encoding: .utf8)
    }
}
