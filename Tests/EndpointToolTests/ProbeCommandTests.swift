import Endpoints
import Foundation
import Testing

@Suite("endpoint probe", .timeLimit(.minutes(1)))
struct ProbeCommandTests {
    /// What `--json` tells, decoded.
    private struct Answer: Decodable {
        struct Certificate: Decodable {
            let subject: String
            let issuer: String
            let names: [String]
            let notBefore: String
            let notAfter: String
            let sha256: String
        }
        struct TLS: Decodable {
            let version: String
            let cipher: String
            let alpn: String?
            let resumed: Bool
            let chain: [Certificate]
        }
        struct Attempt: Decodable {
            let address: String
            let ok: Bool
            let error: String?
            let milliseconds: Double
        }
        let ok: Bool
        let address: String?
        let tls: TLS?
        let error: String?
        let attempts: [Attempt]
        let milliseconds: [String: Double?]
    }

    private func probe(_ arguments: [String]) async throws -> (answer: Answer, status: Int32) {
        let end = try await ToolProcess(["probe", "--json"] + arguments).finish()
        #expect(end.errors == "")
        let line = try #require(end.output.split(separator: "\n").first)
        #expect(end.output == "\(line)\n")
        let answer = try JSONDecoder().decode(Answer.self, from: Data(line.utf8))
        return (answer, end.status)
    }

    /// A server that counts the bytes of its clients, and its port.
    private func withServer(
        _ server: String,
        _ test: (_ port: UInt16) async throws -> Void
    ) async throws -> Int {
        let count = Lock(0)
        let listener = try await serverFromString(server).listen()
        let serving = Task {
            try await listener.serve { connection in
                for try await chunk in connection { count.withLock { $0 += chunk.count } }
            }
        }
        try await test(try #require(listener.addresses.first?.port))
        await listener.drain(within: .zero)
        _ = await serving.result
        return count.withLock { $0 }
    }

    private func tls(_ certificates: TestCertificates, _ name: String) -> String {
        "tls:0:interface=127.0.0.1:privateKey=\(certificates.file("\(name).pem"))"
    }

    @Test("a server that is trusted is shown with all that was agreed on, and 0")
    func good() async throws {
        let certificates = try TestCertificates()
        try certificates.make("good", names: "DNS:localhost,IP:127.0.0.1", by: "ca")
        let roots = certificates.file("ca.pem")
        let bytes = try await withServer(tls(certificates, "good") + ":alpn=h2") { port in
            let client = "tls:localhost:\(port):trustRoots=\(roots):alpn=h2"
            let (answer, status) = try await probe([client])
            #expect(status == 0)
            #expect(answer.ok)
            #expect(answer.error == nil)
            #expect(answer.address == "127.0.0.1:\(port)")
            #expect(answer.tls?.version == "1.3")
            #expect(answer.tls?.cipher.hasPrefix("TLS_") == true)
            #expect(answer.tls?.alpn == "h2")
            #expect(answer.tls?.resumed == false)
            let shown = try #require(answer.tls?.chain.first)
            #expect(shown.subject == "CN=good")
            #expect(shown.issuer == "CN=ca")
            #expect(shown.names == ["localhost", "127.0.0.1"])
            #expect(shown.sha256.count == 64)
            #expect(shown.notBefore < shown.notAfter)
            #expect(answer.attempts.last { $0.ok }?.address == answer.address)
            #expect(Set(answer.milliseconds.keys) == ["resolve", "connect", "handshake", "total"])
            #expect(answer.milliseconds.values.allSatisfy { ($0 ?? -1) >= 0 })

            let text = try await ToolProcess(["probe", client]).finish()
            #expect(text.status == 0)
            for part in ["server name (SNI)  localhost", "group", "TLS 1.3", "resumed", "SHA-256"] {
                #expect(text.output.contains(part), "\(part)")
            }
            let verdict = "\ntrusted: the peer has proved to be localhost, by CN=ca\n"
            #expect(text.output.hasSuffix(verdict))
        }
        #expect(bytes == 0)
    }

    @Test("a Unicode name is asked for and proved in its ASCII form, and printed as it was given")
    func unicodeName() async throws {
        let certificates = try TestCertificates()
        try certificates.make("good", names: "DNS:xn--bcher-kva.localhost", by: "ca")
        let roots = certificates.file("ca.pem")
        let server = tls(certificates, "good") + ":refuseUnknownNames=yes"
        _ = try await withServer(server) { port in
            let client = "tls:bücher.localhost:\(port):trustRoots=\(roots)"
            let end = try await ToolProcess(["probe", client]).finish()
            #expect(end.status == 0)
            #expect(end.output.hasPrefix("tls:host=bücher.localhost:port=\(port):"))
            #expect(end.output.contains("server name (SNI)  xn--bcher-kva.localhost\n"))
        }
    }

    @Test(
        "a certificate that is refused is shown, with the reason in words, and 1",
        arguments: [
            ("expired", "DNS:localhost", -30 ... -1, "ca", "1.3", "\"CN=expired\" expired on "),
            ("expired", "DNS:localhost", -30 ... -1, "ca", "1.2", "\"CN=expired\" expired on "),
            (
                "wrong", "DNS:example.org", -1...30, "ca", "1.3",
                "certificate is for \"example.org\", not \"localhost\""
            ),
            ("alone", "DNS:localhost", -1...30, nil, "1.3", "is self-signed, and not trusted"),
        ] as [(String, String, ClosedRange<Int>, String?, String, String)]
    )
    func refused(
        name: String,
        names: String,
        days: ClosedRange<Int>,
        issuer: String?,
        version: String,
        reason: String
    ) async throws {
        let certificates = try TestCertificates()
        try certificates.make(name, names: names, days: days, by: issuer)
        let roots = certificates.file("ca.pem")
        let server = tls(certificates, name) + ":maximumVersion=\(version)"
        let bytes = try await withServer(server) { port in
            let client = "tls:localhost:\(port):trustRoots=\(roots)"
            let (answer, status) = try await probe([client])
            #expect(status == 1)
            #expect(!answer.ok)
            #expect(answer.error?.contains(reason) == true)
            #expect(answer.address == "127.0.0.1:\(port)")
            #expect(answer.tls?.version == version)
            #expect(answer.tls?.chain.map(\.subject) == ["CN=\(name)"])
            #expect(answer.milliseconds["handshake"] != .some(nil))

            let text = try await ToolProcess(["probe", client]).finish()
            #expect(text.status == 1)
            #expect(text.output.contains("1. CN=\(name)\n"))
            #expect(text.output.contains("\nnot trusted: TLS handshake with localhost:\(port): "))
        }
        #expect(bytes == 0)
    }

    @Test("a chain is shown whole, in the order in which it was sent")
    func chain() async throws {
        let certificates = try TestCertificates()
        try certificates.make("middle", by: "ca", isAuthority: true)
        try certificates.make("leaf", names: "DNS:localhost", by: "middle")
        let chain = certificates.file("middle.pem")
        let server = tls(certificates, "leaf") + ":extraCertChain=\(chain)"
        _ = try await withServer(server) { port in
            let roots = certificates.file("ca.pem")
            let trusted = try await probe(["tls:localhost:\(port):trustRoots=\(roots)"]).answer
            #expect(trusted.ok)
            #expect(trusted.tls?.chain.map(\.subject) == ["CN=leaf", "CN=middle"])
            let others = certificates.file("leaf.pem")
            let refused = try await probe([
                "tls:localhost:\(port):serverName=other.example:trustRoots=\(others)"
            ]).answer
            #expect(!refused.ok)
            #expect(refused.tls?.chain.map(\.subject) == ["CN=leaf", "CN=middle"])
        }
    }

    @Test(
        "a server that wants a certificate and gets none is not ok, though it is trusted itself",
        arguments: ["1.2", "1.3"]
    )
    func clientCertificate(version: String) async throws {
        let certificates = try TestCertificates()
        try certificates.make("good", names: "DNS:localhost", by: "ca")
        let roots = certificates.file("ca.pem")
        let server =
            tls(certificates, "good")
            + ":clientRoots=\(roots):clientCertificate=require:maximumVersion=\(version)"
        _ = try await withServer(server) { port in
            let (answer, status) = try await probe(["tls:localhost:\(port):trustRoots=\(roots)"])
            #expect(status == 1)
            #expect(answer.error?.contains("certificate of ours") == true)
            #expect(answer.tls?.chain.map(\.subject) == ["CN=good"])
        }
    }

    @Test("a plain HTTP port is called one")
    func plainHTTP() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let serving = Task {
            try await listener.serve { connection in
                _ = try await connection.read(atMost: 1)
                try await connection.write("HTTP/1.1 400 Bad Request\r\n\r\n".utf8)
            }
        }
        let port = try #require(listener.addresses.first?.port)
        let (answer, status) = try await probe(["tls:localhost:\(port)"])
        #expect(status == 1)
        #expect(answer.error?.contains("the peer speaks plain HTTP, not TLS") == true)
        #expect(answer.tls == nil)
        #expect(answer.address == "127.0.0.1:\(port)")
        await listener.drain(within: .zero)
        _ = await serving.result
    }

    @Test("nobody who listens: the address with its reason, and no connection")
    func nobody() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = try #require(listener.addresses.first?.port)
        await listener.close()
        let (answer, status) = try await probe(["tls:127.0.0.1:\(port)"])
        #expect(status == 1)
        #expect(answer.address == nil)
        #expect(answer.tls == nil)
        #expect(answer.attempts.map(\.address) == ["127.0.0.1:\(port)"])
        #expect(answer.attempts.first?.error == "connection refused (ECONNREFUSED)")
        #expect(answer.milliseconds["handshake"] == .some(nil))
    }

    @Test("endpoints without TLS are probed too")
    func plain() async throws {
        let bytes = try await withServer("tcp:0:interface=127.0.0.1") { port in
            let (answer, status) = try await probe(["tcp:127.0.0.1:\(port)"])
            #expect(status == 0)
            #expect(answer.ok)
            #expect(answer.tls == nil)
            #expect(answer.address == "127.0.0.1:\(port)")
            let text = try await ToolProcess(["probe", "tcp:127.0.0.1:\(port)"]).finish()
            #expect(text.output.contains("127.0.0.1:\(port)"))
            #expect(text.output.contains("\nok: "))
        }
        #expect(bytes == 0)
        let path = try TestCertificates().file("none.sock")
        let (answer, status) = try await probe(["unix:\(path)"])
        #expect(status == 1)
        #expect(answer.attempts.first?.error?.contains("ENOENT") == true)
    }

    @Test("where stdout is the connection the report goes to stderr")
    func standardStreams() async throws {
        let end = try await ToolProcess(["probe", "stdio:"]).finish()
        #expect(end.output.isEmpty)
        #expect(end.errors.contains("\nok: "))
        #expect(end.status == 0)
    }

    @Test("the time limit ends it, and the error says where")
    func timeout() async throws {
        // Accepted by the kernel, and never spoken to.
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = try #require(listener.addresses.first?.port)
        let (answer, status) = try await probe(["--timeout", "0.2", "tls:127.0.0.1:\(port)"])
        #expect(status == 1)
        #expect(answer.error?.hasSuffix("timed out after 0.2 s in the TLS handshake") == true)
        #expect(answer.attempts.map(\.ok) == [true])
        await listener.close()
    }

    @Test(
        "a wrong string or limit is a wrong command line",
        arguments: [["tls:"], ["nowhere:1"], ["--timeout", "0", "tcp:localhost:1"]]
    )
    func usage(arguments: [String]) async throws {
        let end = try await ToolProcess(["probe"] + arguments).finish()
        #expect(end.output == "")
        #expect(end.status == 64)
    }
}
