import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// Without trust roots every other check still runs, or is refused.
@Suite("Checks without trust roots", .certificates, .timeLimit(.minutes(1)), .tags(.security))
struct TLSInsecureTrustTests {
    private func pin(_ name: String) throws -> TLSPin {
        let pem = try PEMFile(TLSTesting.zoo().file("\(name).pem"), argument: "")
        return try #require(try pem.certificates().first?.pin)
    }

    private func insecureClient(_ version: TLSVersion = .tls13) -> TLSClientConfiguration {
        var client = TLSClientConfiguration(trustRoots: .insecurelyTrustsAnybody)
        client.maximumVersion = version
        return client
    }

    /// A server that takes any client's certificate.
    private func insecureServer() throws -> TLSServerConfiguration {
        var server = try TLSTesting.server()
        server.clientCertificate = .require
        server.clientRoots = .insecurelyTrustsAnybody
        return server
    }

    @Test("a self-signed device is known by its pinned key", arguments: TLSVersion.allCases)
    func pinnedDevice(version: TLSVersion) async throws {
        var client = insecureClient(version)
        client.pins = [try pin("self-signed")]
        let server = try TLSTesting.server("self-signed")
        for round in 0..<2 {
            let (near, far) = try await TLSTesting.pair(client, server, serverName: "192.0.2.1")
            try await far.write("x".utf8)
            _ = try await near.read(exactly: 1)
            #expect(near.tls?.isPeerVerified == true)
            #expect(near.tls?.isResumed == (round == 1))
            await near.close()
            await far.close()
        }
        let errors = try await TLSTesting.refusals(client, try TLSTesting.server("localhost"))
        #expect(errors.client?.code == .certificateInvalid)
        #expect(errors.client.says("its public key is not one of those that are pinned"))
    }

    @Test("a pinned authority that the peer merely sends along proves nothing")
    func unprovenChain() async throws {
        var client = insecureClient()
        client.pins = [try pin("intermediate")]
        let zoo = try TLSTesting.zoo()
        let server = TLSServerConfiguration(
            privateKey: zoo.file("behind-intermediate.key"),
            certificate: zoo.file("full-chain.pem")
        )
        let errors = try await TLSTesting.refusals(client, server)
        #expect(errors.client.says("pinned"))
        // With roots the chain is proven.
        client.trustRoots = .file(zoo.file("ca.pem"))
        let (near, far) = try await TLSTesting.pair(client, server)
        await near.close()
        await far.close()
    }

    struct NotOnTheList: Error {}

    @Test("a client's program judges the peer's own certificate, and no other")
    func clientVerification() async throws {
        let seen = Lock([[String]]())
        var client = insecureClient()
        client.verification = { chain in
            seen.withLock { $0.append(chain.map(\.subject)) }
            if chain.first?.subject == "CN=one" { throw NotOnTheList() }
        }
        let zoo = try TLSTesting.zoo()
        let server = TLSServerConfiguration(
            privateKey: zoo.file("behind-intermediate.key"),
            certificate: zoo.file("full-chain.pem")
        )
        let (near, far) = try await TLSTesting.pair(client, server)
        await near.close()
        await far.close()
        #expect(seen.withLock { $0 } == [["CN=behind-intermediate"]])
        let errors = try await TLSTesting.refusals(client, try TLSTesting.server("one"))
        #expect(errors.client.says("the program refuses it: NotOnTheList()"))
    }

    @Test(
        "a server's program judges the client's own certificate",
        arguments: ["client", "stranger"]
    )
    func serverVerification(name: String) async throws {
        var server = try insecureServer()
        server.verification = { chain in
            if chain.map(\.subject) != ["CN=mallory"] { throw NotOnTheList() }
        }
        var client = try TLSTesting.client()
        let zoo = try TLSTesting.zoo()
        client.certificate = zoo.file("\(name).pem")
        client.privateKey = zoo.file("\(name).key")
        if name == "stranger" {
            let (near, far) = try await TLSTesting.pair(client, server)
            #expect(far.tls?.isPeerVerified == true)
            await near.close()
            await far.close()
        } else {
            let errors = try await TLSTesting.refusals(client, server)
            #expect(errors.server.says("the program refuses it: NotOnTheList()"))
        }
    }

    @Test("a client's check that could not run is refused")
    func idleClientChecks() async throws {
        let list = try TLSTesting.zoo().file("crl.pem")
        let changes: [(String, @Sendable (inout TLSClientConfiguration) -> Void)] = [
            ("revocationLists", { $0.revocationLists = [list] }),
            ("isStrict", { $0.isStrict = true }),
            ("checksStapledResponse", { $0.checksStapledResponse = true }),
        ]
        for (name, change) in changes {
            var client = insecureClient()
            change(&client)
            let errors = try await TLSTesting.refusals(client, try TLSTesting.server())
            #expect(errors.client?.code == .invalidArgument)
            #expect(errors.client.says("\(name) \""))
            #expect(errors.client.says("cannot be checked without trust roots"))
        }
    }

    @Test("a server's check that could not run is refused")
    func idleServerChecks() throws {
        let zoo = try TLSTesting.zoo()
        var server = try insecureServer()
        server.revocationLists = [zoo.file("crl.pem")]
        var error = #expect(throws: EndpointError.self) { try server.reload() }
        #expect(error.says("cannot be checked without trust roots"))
        let changes: [(String, @Sendable (inout TLSServerConfiguration) -> Void)] = [
            ("revocationLists", { $0.revocationLists = [zoo.file("crl.pem")] }),
            ("verification", { $0.verification = { _ in } }),
            ("clientRoots", { $0.clientRoots = .file(zoo.file("ca.pem")) }),
        ]
        for (name, change) in changes {
            server = try TLSTesting.server()
            change(&server)
            error = #expect(throws: EndpointError.self) { try server.reload() }
            #expect(error.says("\(name) \""))
            #expect(error.says("has no effect on clients that are not asked for a certificate"))
        }
    }
}
