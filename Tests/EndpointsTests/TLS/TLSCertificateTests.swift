import COpenSSL
import Foundation
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Verifying a server", .certificates, .timeLimit(.minutes(1)), .tags(.security))
struct TLSCertificateTests {
    @Test(
        "good certificates are accepted",
        arguments: [
            ("localhost", "localhost", "localhost.key"),
            ("localhost", "127.0.0.1", "localhost.key"),
            ("localhost", "::1", "localhost.key"), ("localhost", "LOCALHOST.", "localhost.key"),
            ("wildcard", "a.example.com", "wildcard.key"),
            ("full-chain", "localhost", "behind-intermediate.key"),
            ("reversed-chain", "localhost", "behind-intermediate.key"),
        ]
    )
    func good(name: String, serverName: String, key: String) async throws {
        let zoo = try TLSTesting.zoo()
        let server = TLSServerConfiguration(
            privateKey: zoo.file(key),
            certificate: zoo.file("\(name).pem")
        )
        let (client, far) = try await TLSTesting.pair(nil, server, serverName: serverName)
        #expect(client.tls?.isPeerVerified == true)
        await client.close()
        await far.close()
    }

    @Test(
        "bad certificates are refused, each in its words",
        arguments: [
            (
                "wrong-name", "localhost",
                "is for \"example.org\", \"www.example.org\", not \"localhost\""
            ),
            ("localhost", "192.0.2.1", "not \"192.0.2.1\""),
            ("only-common-name", "localhost", "for no name (its subjectAltName is empty)"),
            ("wildcard", "example.com", "\"*.example.com\", not \"example.com\""),
            ("wildcard", "a.b.example.com", "not \"a.b.example.com\""),
            ("expired", "localhost", "\"CN=expired\" expired on 20"),
            ("for-clients-only", "localhost", "not meant for this side"),
            ("behind-intermediate", "localhost", "\"CN=intermediate\" of certificate"),
            ("constrained-chain", "localhost", "may not vouch for"),
            ("self-signed", "localhost", "is self-signed, and not trusted"),
            ("stranger", "localhost", "is not trusted"),
        ]
    )
    func bad(name: String, serverName: String, words: String) async throws {
        let zoo = try TLSTesting.zoo()
        let keys = ["constrained-chain": "against-constraint"]
        let server = TLSServerConfiguration(
            privateKey: zoo.file("\(keys[name] ?? name).key"),
            certificate: zoo.file("\(name).pem")
        )
        let errors = try await TLSTesting.refusals(
            try TLSTesting.client(),
            server,
            serverName: serverName
        )
        #expect(errors.client?.code == .certificateInvalid)
        let text = errors.client?.description ?? ""
        #expect(text.contains(words), "\(text)")
        #expect(text.contains("TLS handshake with \(serverName)"), "\(text)")
        #expect(errors.server?.code == .handshakeFailed)
        #expect(errors.server.says("peer"))
    }

    @Test("a certificate that is not trusted and has expired is refused with both reasons")
    func expiredStranger() async throws {
        let server = try TLSTesting.server("expired-stranger")
        let errors = try await TLSTesting.refusals(try TLSTesting.client(), server)
        #expect(errors.client.says("the issuer \"CN=other-ca\" of certificate"))
        #expect(errors.client.says("the peer's certificate also expired on 20"))
    }

    @Test("a revoked certificate is refused, and one without a list, too")
    func revoked() async throws {
        let zoo = try TLSTesting.zoo()
        var client = try TLSTesting.client()
        client.revocationLists = [zoo.file("crl.pem")]
        var errors = try await TLSTesting.refusals(client, try TLSTesting.server("revoked"))
        #expect(errors.client.says("\"CN=revoked\" has been revoked"))
        let server = TLSServerConfiguration(
            privateKey: zoo.file("behind-intermediate.key"),
            certificate: zoo.file("full-chain.pem")
        )
        errors = try await TLSTesting.refusals(client, server)
        #expect(errors.client.says("there is no revocation list"))
        let (near, far) = try await TLSTesting.pair(client, try TLSTesting.server())
        await near.close()
        await far.close()
    }

    @Test("a pinned key must be in the chain")
    func pins() async throws {
        let zoo = try TLSTesting.zoo()
        let authority = try #require(
            try PEMFile(zoo.file("ca.pem"), argument: "").certificates().first?.pin
        )
        var client = try TLSTesting.client()
        client.pins = [authority]
        let (near, far) = try await TLSTesting.pair(client)
        await near.close()
        await far.close()
        client.pins = [try #require(TLSPin(digest: [UInt8](repeating: 1, count: 32)))]
        let errors = try await TLSTesting.refusals(client, try TLSTesting.server())
        #expect(errors.client?.code == .certificateInvalid)
        #expect(errors.client.says("pinned"))
        #expect(TLSPin(authority.text) == authority)
    }

    @Test("the program may refuse what OpenSSL accepts")
    func verification() async throws {
        struct NotOnTheList: Error {}
        var client = try TLSTesting.client()
        client.verification = { chain in
            if chain.first?.names.contains("localhost") == true { throw NotOnTheList() }
        }
        let errors = try await TLSTesting.refusals(client, try TLSTesting.server())
        #expect(errors.client?.code == .certificateInvalid)
        #expect(errors.client.says("NotOnTheList"))
    }

    @Test("a stapled response is sent, and a bad one refused", arguments: ["one", "revoked"])
    func stapling(name: String) async throws {
        let zoo = try TLSTesting.zoo()
        var client = try TLSTesting.client()
        client.checksStapledResponse = true
        client.resumesSessions = false
        let serverName = name == "one" ? "one.example" : "localhost"
        var server = try TLSTesting.server(name)
        var (near, far) = try await TLSTesting.pair(client, server, serverName: serverName)
        await near.close()
        await far.close()
        server.stapledResponse = zoo.file("\(name).ocsp")
        if name == "one" {
            (near, far) = try await TLSTesting.pair(client, server, serverName: serverName)
            await near.close()
            await far.close()
        }
        let errors =
            name == "one"
            ? try await TLSTesting.refusals(
                client,
                try await wrongStaple(zoo),
                serverName: "two.example"
            )
            : try await TLSTesting.refusals(client, server)
        #expect(errors.client?.code == .certificateInvalid)
        #expect(errors.client.says("stapled OCSP response"), "\(errors.client?.description ?? "")")
        #expect(errors.client.says(name == "one" ? "is not valid" : "says it is revoked"))
    }

    private func wrongStaple(_ zoo: CertificateZoo) async throws -> TLSServerConfiguration {
        let server = try TLSTesting.server("two")
        // Ours would not send it.
        let generation = try await server.state.generation(server)
        endpoints_ctx_set_status_callback(generation.standard.pointer) { ssl, _ in
            guard let path = CertificateZoo.shared?.file("one.ocsp"),
                let bytes = try? FileReading.bytes(of: path, argument: "")
            else { return SSL_TLSEXT_ERR_NOACK }
            endpoints_ssl_set_status(ssl, bytes, bytes.count)
            return SSL_TLSEXT_ERR_OK
        }
        return server
    }

    /// A client that asks for stapled responses, and resumes nothing.
    private func strictClient() throws -> TLSClientConfiguration {
        var client = try TLSTesting.client()
        client.checksStapledResponse = true
        client.resumesSessions = false
        return client
    }

    private func isAccepted(
        _ server: TLSServerConfiguration,
        _ serverName: String
    ) async throws -> Bool {
        let errors = try await TLSTesting.refusals(
            try strictClient(),
            server,
            serverName: serverName
        )
        return errors.client == nil
    }

    @Test("a certificate that demands a stapled response is refused without one")
    func mustStaple() async throws {
        var server = try TLSTesting.server("must-staple")
        let errors = try await TLSTesting.refusals(
            try strictClient(),
            server,
            serverName: "staple.example"
        )
        #expect(errors.client?.code == .certificateInvalid)
        #expect(errors.client.says("demands a stapled OCSP response, and the server sent none"))
        let warnings = try #require(server.state.current).warnings
        #expect(warnings.contains { $0.contains("demands a stapled OCSP response") })
        server.stapledResponse = try TLSTesting.zoo().file("must-staple.ocsp")
        #expect(try await isAccepted(server, "staple.example"))
        #expect(try #require(server.state.current).warnings == [])
    }

    @Test("a stapled response goes with its own certificate only")
    func stapleOfOne() async throws {
        let zoo = try TLSTesting.zoo()
        var server = try TLSTesting.server("must-staple")
        server.identities.append(
            TLSIdentity(privateKey: zoo.file("two.key"), certificate: zoo.file("two.pem"))
        )
        server.stapledResponse = zoo.file("must-staple.ocsp")
        #expect(try await isAccepted(server, "two.example"))
        #expect(try await isAccepted(server, "staple.example"))
        server.stapledResponse = zoo.file("one.ocsp")
        #expect(try await isAccepted(server, "two.example"))
        let warnings = try #require(server.state.current).warnings
        #expect(
            warnings.contains { $0.hasSuffix("is about none of the certificates, and not sent") }
        )
    }

    @Test("a stapled response that has expired is held back, with a warning")
    func staleStaple() async throws {
        let clock = WallClock()
        var server = try TLSTesting.server("one")
        server.stapledResponse = try TLSTesting.zoo().file("one.ocsp")
        server.now = clock.now
        try server.reload()
        #expect(try #require(server.state.current).warnings == [])
        clock.advance(by: .seconds(2 * 86_400))
        // Also without reading it again.
        let staple = try #require(server.state.current?.standard.stapledResponse)
        #expect(try await isAccepted(server, "one.example"))
        #expect(!staple.isFirstReport())
        try server.reload()
        let warnings = try #require(server.state.current).warnings
        #expect(warnings.count == 1)
        #expect(warnings.first?.contains("one.ocsp\" expired on 20") == true, "\(warnings)")
        #expect(warnings.first?.hasSuffix("and is held back") == true)
    }

    @Test("the system's trust roots are read again when they have changed")
    func changedSystemRoots() async {
        await #expect(processExitsWith: .success) {
            await CertificateZoo.prepare()
            let zoo = try TLSTesting.zoo()
            let roots = zoo.file("system.pem")
            func trust(_ name: String) throws {
                try Data(contentsOf: URL(fileURLWithPath: zoo.file(name)))
                    .write(to: URL(fileURLWithPath: roots), options: .atomic)
            }
            setenv("SSL_CERT_FILE", roots, 1)
            setenv("SSL_CERT_DIR", "/nowhere", 1)
            try trust("other-ca.pem")
            let client = TLSClientConfiguration()
            var server = try TLSTesting.server()
            server.clientCertificate = .request
            server.clientRoots = .system
            let errors = try await TLSTesting.refusals(client, server)
            #expect(errors.client.says("is not trusted"))
            let before = try #require(server.state.current?.standard.shared.trust)
            try trust("ca.pem")
            let (near, far) = try await TLSTesting.pair(client, server)
            await near.close()
            await far.close()
            try server.reload()
            #expect(server.state.current?.standard.shared.trust?.pointer != before.pointer)
            #expect(server.state.current?.files.contains { $0.path == roots } == true)
        }
    }

    @Test("secrets are written only where that was asked for")
    func keyLog() async throws {
        let folder = try TemporaryDirectory()
        var client = try TLSTesting.client()
        client.keyLog = folder.file("keys")
        let (near, far) = try await TLSTesting.pair(client)
        await near.close()
        await far.close()
        let bytes = try FileReading.bytes(of: folder.file("keys"), argument: "")
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains("CLIENT_TRAFFIC_SECRET_0 "))
        #expect(text.hasSuffix("\n"))
        #expect(!FileStamp(folder.file("keys")).isReadableByOthers)
    }

    @Test("whom to trust can be a directory")
    func directory() async throws {
        let zoo = try TLSTesting.zoo()
        let client = TLSClientConfiguration(trustRoots: .path(zoo.path))
        let (near, far) = try await TLSTesting.pair(client)
        await near.close()
        await far.close()
    }

    @Test("no trust is nobody's trust: the system does not know our authority")
    func system() async throws {
        let errors = try await TLSTesting.refusals(
            TLSClientConfiguration(),
            try TLSTesting.server()
        )
        // On a machine without any roots it is the configuration that is refused.
        let code = errors.client?.code
        #expect(code == .certificateInvalid || code == .invalidArgument)
    }

    @Test("checking nothing must be asked for by its name")
    func nobody() async throws {
        let (near, far) = try await TLSTesting.pair(
            TLSClientConfiguration(trustRoots: .insecurelyTrustsAnybody),
            try TLSTesting.server("self-signed"),
            serverName: "anything.example"
        )
        #expect(near.tls?.isPeerVerified == false)
        #expect(near.tls?.peerCertificates.first?.subject == "CN=localhost")
        await near.close()
        await far.close()
    }
}

@Suite("Certificate files", .certificates)
struct TLSFileTests {
    @Test(
        "a file that cannot serve is refused by name and reason",
        arguments: [
            (
                "missing.key", "localhost.pem",
                "privateKey \"…/missing.key\": no such file or directory (ENOENT)"
            ),
            (
                "localhost.key", "missing.pem",
                "certificate \"…/missing.pem\": no such file or directory (ENOENT)"
            ),
            ("one.key", "localhost.pem", "does not fit the certificate in \"…/localhost.pem\""),
            (
                "localhost.pem", "localhost.pem",
                "privateKey \"…/localhost.pem\": holds no private key"
            ),
            ("localhost.key", "localhost.key", "\"…/localhost.key\": holds no certificate"),
            ("localhost.key", "localhost.der", "it seems to be DER; openssl x509 -inform DER"),
            ("encrypted.key", "localhost.pem", "the key is encrypted; give its passphrase"),
            ("weak-key.key", "weak-key.pem", "OpenSSL refuses the certificate: ee key too small"),
            ("weak-digest.key", "weak-digest.pem", "ca md too weak"),
            ("both.pem", nil, nil),
        ]
    )
    func refused(key: String, certificate: String?, words: String?) throws {
        let zoo = try TLSTesting.zoo()
        let configuration = TLSServerConfiguration(
            privateKey: zoo.file(key),
            certificate: certificate.map(zoo.file)
        )
        do {
            try configuration.reload()
            #expect(words == nil)
        } catch {
            let text = "\(error)".replacing(zoo.path, with: "…")
            #expect(text.contains(words ?? "nothing"), "\(text)")
        }
    }

    @Test(
        "what is to be stapled must be a response, and the file of a passphrase must be there",
        arguments: [
            ("stapledResponse", "ca.pem"), ("stapledResponse", "missing"),
            ("passphraseFile", "missing"),
        ]
    )
    func refused(argument: String, file: String) async throws {
        let zoo = try TLSTesting.zoo()
        let path = zoo.file(file)
        let endpoint = try serverFromString(
            "tls:0:interface=127.0.0.1:privateKey=\(zoo.file("both.pem")):\(argument)=\(path)"
        )
        let error = await TLSTesting.failure { await (try endpoint.listen()).close() }
        #expect(error.says("\(argument) \"\(path)\": "))
    }

    @Test("an encrypted key opens with its passphrase, and with no other")
    func passphrase() throws {
        let zoo = try TLSTesting.zoo()
        var configuration = TLSServerConfiguration(
            privateKey: zoo.file("encrypted.key"),
            certificate: zoo.file("localhost.pem")
        )
        configuration.passphrase = .file(zoo.file("passphrase"))
        try configuration.reload()
        configuration.passphrase = PassphraseProvider { Array("wrong".utf8) }
        let error = #expect(throws: EndpointError.self) { try configuration.reload() }
        #expect(error.says("the passphrase is wrong"))
    }

    @Test("an expired certificate is a warning with the date, not an error")
    func expired() throws {
        let configuration = try TLSTesting.server("expired")
        try configuration.reload()
        let warnings = configuration.state.current?.warnings ?? []
        #expect(warnings.contains { $0.contains("expired on 20") })
    }
}
