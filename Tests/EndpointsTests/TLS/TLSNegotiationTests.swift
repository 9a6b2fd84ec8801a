import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("What TLS agrees on", .certificates, .timeLimit(.minutes(1)))
struct TLSNegotiationTests {
    @Test("versions meet where both allow it", arguments: TLSVersion.allCases)
    func versions(version: TLSVersion) async throws {
        var configuration = try TLSTesting.client()
        configuration.minimumVersion = version
        configuration.maximumVersion = version
        let (client, server) = try await TLSTesting.pair(configuration)
        #expect(client.tls?.version == version)
        #expect(server.tls?.version == version)
        try await client.write("x".utf8)
        #expect(try await server.read(exactly: 1) == Array("x".utf8))
        await client.close()
        await server.close()
    }

    @Test("versions that do not meet are told on both sides")
    func disjointVersions() async throws {
        var client = try TLSTesting.client()
        client.maximumVersion = .tls12
        var server = try TLSTesting.server()
        server.minimumVersion = .tls13
        let errors = try await TLSTesting.refusals(client, server)
        #expect(errors.client?.code == .handshakeFailed)
        #expect(errors.server?.code == .handshakeFailed)
        #expect(errors.server.says("no version of TLS"))
        #expect(errors.client.says("none of our versions"))
    }

    @Test(
        "the server's first choice among the client's protocols is taken",
        arguments: [
            (["h2", "http/1.1"], ["http/1.1", "h2"], "http/1.1"), (["h2"], ["h2"], "h2"),
            ([], ["h2"], nil), (["h2"], [], nil),
        ]
    )
    func protocols(offered: [String], accepted: [String], chosen: String?) async throws {
        var configuration = try TLSTesting.client()
        configuration.applicationProtocols = offered
        var serving = try TLSTesting.server()
        serving.applicationProtocols = accepted
        let (client, server) = try await TLSTesting.pair(configuration, serving)
        #expect(client.tls?.applicationProtocol == chosen)
        #expect(server.tls?.applicationProtocol == chosen)
        await client.close()
        await server.close()
    }

    @Test("no protocol in common is an error, not a guess")
    func noCommonProtocol() async throws {
        var client = try TLSTesting.client()
        client.applicationProtocols = ["spdy/3"]
        var server = try TLSTesting.server()
        server.applicationProtocols = ["h2"]
        let errors = try await TLSTesting.refusals(client, server)
        #expect(errors.server.says("ALPN"))
        #expect(errors.client.says("accepts none of our application"))
    }

    @Test(
        "the name chooses the certificate",
        arguments: [
            ("one.example", "one"), ("TWO.example", "two"), ("a.example.com", "wildcard"),
            ("two.example.", "two"),
        ]
    )
    func names(name: String, subject: String) async throws {
        let (client, server) = try await TLSTesting.pair(
            nil,
            try Self.severalNames(),
            serverName: name
        )
        #expect(client.tls?.peerCertificates.first?.subject == "CN=\(subject)")
        await client.close()
        await server.close()
    }

    @Test("unknown names get the first certificate, or are refused if asked")
    func unknownNames() async throws {
        var server = try Self.severalNames()
        let client = try TLSTesting.client()
        var errors = try await TLSTesting.refusals(client, server, serverName: "unknown.example")
        #expect(errors.client?.code == .certificateInvalid)
        #expect(errors.client.says("\"localhost\""))
        server.refusesUnknownNames = true
        errors = try await TLSTesting.refusals(client, server, serverName: "a.b.example.com")
        #expect(errors.client.says("no certificate for the name"))
        #expect(errors.server.says("\"a.b.example.com\""))
    }

    private static func severalNames() throws -> TLSServerConfiguration {
        var server = try TLSTesting.server()
        for name in ["one", "two", "wildcard"] {
            server.identities.append(
                TLSIdentity(
                    privateKey: try TLSTesting.zoo().file("\(name).key"),
                    certificate: try TLSTesting.zoo().file("\(name).pem")
                )
            )
        }
        return server
    }

    @Test("ciphers and groups are those that were asked for")
    func ciphers() async throws {
        var configuration = try TLSTesting.client()
        configuration.maximumVersion = .tls12
        configuration.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305"
        configuration.groups = "P-256"
        let (client, server) = try await TLSTesting.pair(configuration)
        #expect(client.tls?.cipher == "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256")
        #expect(client.tls?.group == "secp256r1")
        await client.close()
        await server.close()
    }
}

@Suite("Client certificates", .certificates, .timeLimit(.minutes(1)), .tags(.security))
struct TLSClientCertificateTests {
    private func server(_ request: ClientCertificateRequest) throws -> TLSServerConfiguration {
        var server = try TLSTesting.server()
        server.clientCertificate = request
        server.clientRoots = .file(try TLSTesting.zoo().file("ca.pem"))
        return server
    }

    private func client(_ name: String) throws -> TLSClientConfiguration {
        var client = try TLSTesting.client()
        client.certificate = try TLSTesting.zoo().file("\(name).pem")
        client.privateKey = try TLSTesting.zoo().file("\(name).key")
        return client
    }

    @Test("a client that proves who it is is known", arguments: [TLSVersion.tls12, .tls13])
    func known(version: TLSVersion) async throws {
        var configuration = try client("client")
        configuration.maximumVersion = version
        configuration.minimumVersion = version
        let (near, far) = try await TLSTesting.pair(configuration, try server(.require))
        #expect(far.tls?.isPeerVerified == true)
        #expect(far.tls?.peerCertificates.map(\.subject) == ["CN=alice"])
        #expect(far.tls?.verifiedChain.map(\.subject) == ["CN=alice", "CN=ca"])
        await near.close()
        await far.close()
    }

    @Test("one without a certificate is served where that was only requested")
    func requested() async throws {
        let (near, far) = try await TLSTesting.pair(nil, try server(.request))
        #expect(far.tls?.isPeerVerified == false)
        #expect(far.tls?.peerCertificates.isEmpty == true)
        await near.close()
        await far.close()
    }

    @Test("one without a certificate is refused where it is required")
    func missing() async throws {
        let errors = try await TLSTesting.refusals(try TLSTesting.client(), try server(.require))
        #expect(errors.server.says("shows no certificate"))
        #expect(errors.client.says("wants a certificate of ours"))
    }

    @Test(
        "a bad one is refused, with the reason on both sides",
        arguments: [
            ("stranger", "is not trusted", "does not trust the issuer"),
            ("expired", "expired on", "refuses our certificate"),
        ]
    )
    func bad(name: String, ours: String, theirs: String) async throws {
        for request in [ClientCertificateRequest.request, .require] {
            let errors = try await TLSTesting.refusals(try client(name), try server(request))
            #expect(errors.server?.code == .certificateInvalid)
            #expect(errors.server.says(ours))
            #expect(errors.client.says(theirs))
        }
    }
}
