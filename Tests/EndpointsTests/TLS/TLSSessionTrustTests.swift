import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// A session is no more trusted than the full handshake it descends from.
@Suite("Trust in a session", .certificates, .timeLimit(.minutes(1)), .tags(.security))
struct TLSSessionTrustTests {
    private static let day: Duration = .seconds(86_400)

    private func client(
        _ version: TLSVersion,
        certificate: String? = nil
    ) throws -> TLSClientConfiguration {
        var client = try TLSTesting.client()
        client.minimumVersion = version
        client.maximumVersion = version
        client.certificate = try certificate.map(TLSTesting.zoo().file)
        return client
    }

    private func verifyingServer() throws -> TLSServerConfiguration {
        var server = try TLSTesting.server()
        server.clientCertificate = .require
        server.clientRoots = .file(try TLSTesting.zoo().file("ca.pem"))
        server.ticketLifetime = Self.day * 3
        return server
    }

    private func isResumed(
        _ client: TLSClientConfiguration,
        _ server: TLSServerConfiguration
    ) async throws -> Bool {
        let (near, far) = try await TLSTesting.pair(client, server)
        try await far.write("x".utf8)
        _ = try await near.read(exactly: 1)
        #expect(near.tls?.isPeerVerified == true)
        #expect(far.tls?.isPeerVerified == (server.clientCertificate == .require))
        await near.close()
        await far.close()
        return far.tls?.isResumed == true
    }

    @Test("fresh tickets do not extend the lifetime of a session", arguments: TLSVersion.allCases)
    func lifetime(version: TLSVersion) async throws {
        let clock = WallClock()
        let client = try client(version)
        var server = try TLSTesting.server()
        server.ticketLifetime = .seconds(300)
        server.now = clock.now
        #expect(try await !isResumed(client, server))
        for _ in 0..<2 {
            clock.advance(by: .seconds(140))
            #expect(try await isResumed(client, server))
        }
        clock.advance(by: .seconds(140))
        #expect(try await !isResumed(client, server))
        // That was a full handshake: a new session begins.
        #expect(try await isResumed(client, server))
    }

    @Test("a client does not resume past its own limit", arguments: TLSVersion.allCases)
    func clientLifetime(version: TLSVersion) async throws {
        let clock = WallClock()
        var client = try client(version)
        client.ticketLifetime = .seconds(300)
        client.now = clock.now
        let server = try TLSTesting.server()
        #expect(try await !isResumed(client, server))
        for _ in 0..<2 {
            clock.advance(by: .seconds(140))
            #expect(try await isResumed(client, server))
        }
        clock.advance(by: .seconds(140))
        #expect(try await !isResumed(client, server))
    }

    @Test(
        "a client is not served by resumption once a certificate of its chain has expired",
        arguments: TLSVersion.allCases,
        ["brief-and-key.pem", "brief-chain-and-key.pem"]
    )
    func clientCertificateExpires(version: TLSVersion, certificate: String) async throws {
        let clock = WallClock()
        let client = try client(version, certificate: certificate)
        var server = try verifyingServer()
        server.now = clock.now
        #expect(try await !isResumed(client, server))
        clock.advance(by: .seconds(3600))
        #expect(try await isResumed(client, server))
        clock.advance(by: Self.day)
        #expect(try await !isResumed(client, server))
    }

    @Test(
        "a server is not trusted by resumption once a certificate of its chain has expired",
        arguments: TLSVersion.allCases,
        ["brief", "brief-chain"]
    )
    func serverCertificateExpires(version: TLSVersion, certificate: String) async throws {
        let clock = WallClock()
        var client = try client(version)
        client.ticketLifetime = Self.day * 3
        client.now = clock.now
        let zoo = try TLSTesting.zoo()
        var server = TLSServerConfiguration(
            privateKey: zoo.file(certificate == "brief" ? "brief.key" : "behind-brief.key"),
            certificate: zoo.file("\(certificate).pem")
        )
        server.ticketLifetime = Self.day * 3
        #expect(try await !isResumed(client, server))
        clock.advance(by: .seconds(3600))
        #expect(try await isResumed(client, server))
        clock.advance(by: Self.day)
        #expect(try await !isResumed(client, server))
    }

    @Test("a session ends with the revocation list", arguments: TLSVersion.allCases)
    func revocationListExpires(version: TLSVersion) async throws {
        let clock = WallClock()
        let client = try client(version, certificate: "client-and-key.pem")
        var server = try verifyingServer()
        server.revocationLists = [try TLSTesting.zoo().file("brief-crl.pem")]
        server.now = clock.now
        #expect(try await !isResumed(client, server))
        #expect(try await isResumed(client, server))
        clock.advance(by: Self.day)
        #expect(try await !isResumed(client, server))
    }

    /// A program that writes down whom it was asked about, and can change its mind.
    private final class Program: Sendable {
        struct NoLonger: Error {}
        let chains = Lock([[String]]())
        let refuses = Lock(false)

        var verification: @Sendable ([TLSCertificate]) throws -> Void {
            { chain in
                self.chains.withLock { $0.append(chain.map(\.subject)) }
                if self.refuses.withLock({ $0 }) { throw NoLonger() }
            }
        }
    }

    @Test(
        "a server's program judges the whole chain of each session",
        arguments: TLSVersion.allCases
    )
    func serverVerification(version: TLSVersion) async throws {
        let program = Program()
        let client = try client(version, certificate: "brief-chain-and-key.pem")
        var server = try verifyingServer()
        server.verification = program.verification
        for round in 0..<3 { #expect(try await isResumed(client, server) == (round > 0)) }
        let chain = ["CN=behind-brief", "CN=brief-issuer", "CN=ca"]
        #expect(program.chains.withLock { $0 } == [chain, chain, chain])
        program.refuses.withLock { $0 = true }
        let errors = try await TLSTesting.refusals(client, server)
        #expect(errors.server?.code == .certificateInvalid)
        #expect(errors.server.says("the program refuses it: NoLonger()"))
    }

    @Test(
        "a client's program judges the whole chain of each session",
        arguments: TLSVersion.allCases
    )
    func clientVerification(version: TLSVersion) async throws {
        let program = Program()
        var client = try client(version)
        client.verification = program.verification
        let zoo = try TLSTesting.zoo()
        let server = TLSServerConfiguration(
            privateKey: zoo.file("behind-brief.key"),
            certificate: zoo.file("brief-chain.pem")
        )
        for round in 0..<3 { #expect(try await isResumed(client, server) == (round > 0)) }
        let chain = ["CN=behind-brief", "CN=brief-issuer", "CN=ca"]
        #expect(program.chains.withLock { $0 } == [chain, chain, chain])
        program.refuses.withLock { $0 = true }
        let errors = try await TLSTesting.refusals(client, server)
        #expect(errors.client.says("the program refuses it: NoLonger()"))
    }
}
