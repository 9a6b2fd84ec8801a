// Certificates for tests, made once a run by the `openssl` command: what a strict peer must accept,
// and what it must refuse. Each is a PEM file in a temporary folder, named after what is particular
// about it, with its key beside it.
//
// The commands take a while on a busy machine, and Swift's thread pool is as small as the machine: so
// they run on a thread of their own, and suites that need them wait for it (`.certificates`).

import CEndpoints
import EventLoop
import Foundation
import Testing

/// A folder of certificates; the authority is `ca.pem`.
final class CertificateZoo: Sendable {
    private static let made = Lock(CertificateZoo?.none)
    private static let making = Task.detached {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                do {
                    let zoo = try CertificateZoo()
                    made.withLock { $0 = zoo }
                } catch {
                    print("no certificates: \(error)")
                }
                continuation.resume()
            }
        }
    }

    /// `nil` if the `openssl` command did not make it; the tests then say so.
    static var shared: CertificateZoo? { made.withLock { $0 } }

    static func prepare() async { await making.value }

    let path: String

    private init() throws {
        path = FileManager.default.temporaryDirectory.path + "/endpoints-zoo-\(getpid())"
        try? FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try makeAuthorities()
        try makeServers()
        try makeClients()
        try makeRevoked()
        atexit { CertificateZoo.removeAll() }
    }

    private static func removeAll() {
        try? FileManager.default.removeItem(
            atPath: FileManager.default.temporaryDirectory.path + "/endpoints-zoo-\(getpid())"
        )
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    // MARK: making

    private func makeAuthorities() throws {
        for name in ["ca", "other-ca"] {
            try run(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30"
                    + " -subj /CN=\(name) -keyout \(name).key -out \(name).pem"
                    + " -addext basicConstraints=critical,CA:TRUE"
                    + " -addext keyUsage=critical,keyCertSign,cRLSign"
            )
        }
        try issue("intermediate", names: nil, "basicConstraints=critical,CA:TRUE")
        try issue(
            "constrained",
            names: nil,
            "basicConstraints=critical,CA:TRUE\nnameConstraints=critical,permitted;DNS:example.org"
        )
    }

    private func makeServers() throws {
        try issue("localhost", names: "DNS:localhost,IP:127.0.0.1,IP:::1")
        try issue("wrong-name", names: "DNS:example.org,DNS:www.example.org")
        try issue("only-common-name", names: nil, subject: "/CN=localhost")
        try issue("wildcard", names: "DNS:*.example.com")
        try issue("one", names: "DNS:one.example")
        try issue("two", names: "DNS:two.example")
        try issue("expired", names: "DNS:localhost", days: -1)
        try issue("expired-stranger", names: "DNS:localhost", by: "other-ca", days: -1)
        try issue("for-clients-only", names: "DNS:localhost", "extendedKeyUsage=clientAuth")
        try issue("behind-intermediate", names: "DNS:localhost", by: "intermediate")
        try issue("against-constraint", names: "DNS:localhost", by: "constrained")
        try join(["behind-intermediate.pem", "intermediate.pem"], into: "full-chain.pem")
        try join(["intermediate.pem", "behind-intermediate.pem"], into: "reversed-chain.pem")
        try join(["against-constraint.pem", "constrained.pem"], into: "constrained-chain.pem")
        try run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost"
                + " -addext subjectAltName=DNS:localhost -keyout self-signed.key -out self-signed.pem"
        )
        try makeKinds()
        try issue("weak-key", names: "DNS:localhost", key: "rsa:1024")
        try issue("weak-digest", names: "DNS:localhost", digest: "sha1")
        try join(["localhost.key", "localhost.pem"], into: "both.pem")
        try run("pkey -in localhost.key -aes256 -passout pass:secret -out encrypted.key")
        try run("x509 -in localhost.pem -outform DER -out localhost.der")
        try Data("secret\nmore\n".utf8).write(to: URL(fileURLWithPath: file("passphrase")))
    }

    /// Keys of several kinds, one of which is written otherwise in its certificate.
    private func makeKinds() throws {
        try issue("rsa", names: "DNS:rsa.example", key: "rsa:2048")
        try issue("ed25519", names: "DNS:ed25519.example", key: "ed25519")
        try run("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out compressed.key")
        try run("pkey -in compressed.key -ec_conv_form compressed -out compressed-form.key")
        try run(
            "req -x509 -new -key compressed-form.key -days 30 -subj /CN=compressed -out compressed.pem"
                + " -addext subjectAltName=DNS:compressed.example"
        )
    }

    private func makeClients() throws {
        try issue("client", names: nil, "extendedKeyUsage=clientAuth", subject: "/CN=alice")
        try issue("stranger", names: nil, by: "other-ca", subject: "/CN=mallory")
        // Those of which something ends tomorrow.
        try issue("brief", names: "DNS:localhost", days: 1)
        try issue("brief-issuer", names: nil, "basicConstraints=critical,CA:TRUE", days: 1)
        try issue("behind-brief", names: "DNS:localhost", by: "brief-issuer")
        try join(["behind-brief.pem", "brief-issuer.pem"], into: "brief-chain.pem")
        try join(["brief-chain.pem", "behind-brief.key"], into: "brief-chain-and-key.pem")
        try join(["brief.pem", "brief.key"], into: "brief-and-key.pem")
        try join(["client.pem", "client.key"], into: "client-and-key.pem")
    }

    private func makeRevoked() throws {
        try issue("revoked", names: "DNS:localhost")
        let configuration = """
            [ca]
            default_ca=a
            [a]
            database=\(file("index.txt"))
            default_md=sha256
            crlnumber=\(file("crlnumber"))
            default_crl_days=30
            new_certs_dir=\(path)
            rand_serial=yes
            policy=p
            copy_extensions=copy
            [p]
            commonName=supplied

            """
        try write(configuration, to: "crl.cnf")
        try write("", to: "index.txt")
        try write("01\n", to: "crlnumber")
        let authority = "-config crl.cnf -keyfile ca.key -cert ca.pem"
        try run("ca \(authority) -revoke revoked.pem")
        try run("ca \(authority) -gencrl -out crl.pem")
        try run("ca \(authority) -gencrl -crlhours 23 -out brief-crl.pem")
        try run(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=older"
                + " -addext subjectAltName=DNS:one.example -keyout older.key -out older.csr"
        )
        try run(
            "ca \(authority) -batch -notext -startdate 20240101000000Z -days 9999 -in older.csr -out older.pem"
        )
        try issue("must-staple", names: "DNS:staple.example", "tlsfeature=status_request")
        // What openssl-ocsp(1) knows is in the index: one certificate is revoked, the others are good.
        for name in ["one", "must-staple", "revoked"] {
            if name != "revoked" { try run("ca \(authority) -valid \(name).pem") }
            try run("ocsp -issuer ca.pem -cert \(name).pem -reqout \(name).ocsp-request")
            try run(
                "ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -ndays 1"
                    + " -reqin \(name).ocsp-request -respout \(name).ocsp"
            )
        }
    }

    private func issue(
        _ name: String,
        names: String?,
        _ more: String = "",
        by issuer: String = "ca",
        subject: String? = nil,
        days: Int = 30,
        key: String = "ec -pkeyopt ec_paramgen_curve:P-256",
        digest: String = "sha256"
    ) throws {
        var extensions = names.map { "subjectAltName=\($0)\n" } ?? ""
        extensions += more + "\n"
        try write(extensions, to: "\(name).ext")
        try run(
            "req -new -newkey \(key) -nodes -subj \(subject ?? "/CN=\(name)")"
                + " -keyout \(name).key -out \(name).csr"
        )
        try run(
            "x509 -req -in \(name).csr -CA \(issuer).pem -CAkey \(issuer).key -CAcreateserial"
                + " -days \(days) -\(digest) -extfile \(name).ext -out \(name).pem"
        )
    }

    private func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: file(name)))
    }

    private func join(_ names: [String], into joined: String) throws {
        var bytes = Data()
        for name in names { bytes += try Data(contentsOf: URL(fileURLWithPath: file(name))) }
        try bytes.write(to: URL(fileURLWithPath: file(joined)))
    }

    @discardableResult
    func run(_ command: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + command.split(separator: " ").map(String.init)
        process.currentDirectoryURL = URL(fileURLWithPath: path)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw CommandFailed(text: "\(command): \(String(decoding: text, as: UTF8.self))")
        }
        return String(decoding: text, as: UTF8.self)
    }

    struct CommandFailed: Error { let text: String }
}

/// Has the certificates made before a suite's tests begin.
struct CertificatesTrait: SuiteTrait, TestTrait, TestScoping {
    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        await CertificateZoo.prepare()
        try await function()
    }
}

extension Trait where Self == CertificatesTrait {
    static var certificates: Self { CertificatesTrait() }
}
