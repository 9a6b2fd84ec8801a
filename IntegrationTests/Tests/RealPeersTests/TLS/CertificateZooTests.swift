// Certificates that no OpenSSL of ours would serve, served by one that was told to: whom a strict peer
// must refuse is refused, with the reason in words here and as much as TLS tells there.

import Endpoints
import RealPeers
import Testing

@Suite("Certificates of real peers", .serialized, .timeLimit(.minutes(2)))
struct CertificateZooTests {
    /// What is wrong with a certificate, as it is refused here, and the alert that the peer gets.
    private struct Refusal {
        let name: String
        let words: String
        let alert: String
    }

    private static let refusedFromAnybody = [
        Refusal(
            name: "expired",
            words: "certificate \"CN=expired\" expired on 2024-01-01",
            alert: "certificate expired"
        ),
        Refusal(
            name: "future",
            words: "certificate \"CN=future\" is not valid before 2048-12-31",
            alert: "bad certificate"
        ),
        Refusal(
            name: "weak-key",
            words: "the key of certificate \"CN=weak-key\" is too weak",
            alert: "bad certificate"
        ),
        Refusal(
            name: "weak-digest",
            words: "the signature of certificate \"CN=weak-digest\" is too weak (its digest)",
            alert: "bad certificate"
        ),
        Refusal(
            name: "for-code",
            words: "certificate \"CN=for-code\" is not meant for this side of TLS",
            alert: "unsupported certificate"
        ),
        Refusal(
            name: "outside",
            words: "certificate \"CN=outside\" has a name that its issuer may not vouch for",
            alert: "certificate unknown"
        ),
        Refusal(
            name: "usurper",
            words: "certificate \"CN=good\" issued another, and is not allowed to",
            alert: "unknown ca"
        ),
        Refusal(
            name: "self-signed",
            words: "certificate \"CN=self-signed\" is self-signed, and not trusted",
            alert: "unknown ca"
        ),
    ]

    @Test("servers: the good are accepted, the bad refused")
    func servers() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.zoo()
            for name in ["good", "for-servers", "inside"] {
                let (_, port) = try await server(peers, certificates, name)
                let tls = try await certificates.endpoint(port).withConnection { $0.tls }
                #expect(tls?.isPeerVerified == true)
                #expect(tls?.peerCertificates.first?.subject == "CN=\(name)")
            }
            let refused =
                Self.refusedFromAnybody + [
                    Refusal(
                        name: "for-clients",
                        words: "certificate \"CN=for-clients\" is not meant for this side of TLS",
                        alert: "unsupported certificate"
                    )
                ]
            for refusal in refused {
                let (server, port) = try await server(peers, certificates, refusal.name)
                let endpoint = try certificates.endpoint(port)
                let error = await #expect(throws: EndpointError.self) {
                    try await endpoint.connect()
                }
                #expect(error?.code == .certificateInvalid)
                let text = error?.description ?? ""
                #expect(text.contains(refusal.words), "\(text)")
                _ = try await server.errors.firstLine { line in
                    line.contains("alert \(refusal.alert)") ? line : nil
                }
            }
        }
    }

    private func server(
        _ peers: Peers,
        _ certificates: Certificates,
        _ name: String
    ) async throws -> (process: ChildProcess, port: String) {
        let chain = certificates.file("\(name).pem")
        let server = try peers.start(
            [
                "openssl", "s_server", "-accept", "127.0.0.1:0", "-rev", "-cert", chain,
                "-cert_chain", chain, "-key", certificates.file("\(name).key"), "-cipher",
                "DEFAULT:@SECLEVEL=0",
            ]
        )
        let port = try await server.output.firstLine { line in
            line.firstMatch(of: /ACCEPT 127\.0\.0\.1:(\d+)/).map { String($0.1) }
        }
        return (server, port)
    }

    @Test("clients: the good are accepted, the bad refused")
    func clients() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.zoo()
            var configuration = certificates.server("good")
            configuration.clientCertificate = .require
            configuration.clientRoots = .file(certificates.authority)
            try await withTLSServer(configuration) { port, listener in
                for name in ["good", "for-clients", "inside"] {
                    let client = try client(peers, certificates, name, port)
                    #expect(try await client.ask("facts").hasSuffix("peer=CN=\(name)"))
                    try await client.quit()
                }
                let events = listener.events
                let refused =
                    Self.refusedFromAnybody + [
                        Refusal(
                            name: "for-servers",
                            words: "\"CN=for-servers\" is not meant for this side of TLS",
                            alert: "unsupported certificate"
                        )
                    ]
                for refusal in refused {
                    let client = try client(peers, certificates, refusal.name, port)
                    let failure = try await events.nextFailure()
                    #expect(failure.code == .certificateInvalid)
                    let text = failure.description
                    #expect(text.contains(refusal.words), "\(text)")
                    let (exit, said) = try await client.toExit()
                    #expect(exit == .status(1))
                    #expect(said.contains("alert \(refusal.alert)"))
                }
            }
        }
    }

    private func client(
        _ peers: Peers,
        _ certificates: Certificates,
        _ name: String,
        _ port: String
    ) throws -> ChildProcess {
        let chain = certificates.file("\(name).pem")
        return try peers.sClient(
            port,
            certificates,
            "-cert",
            chain,
            "-cert_chain",
            chain,
            "-key",
            certificates.file("\(name).key"),
            "-cipher",
            "DEFAULT:@SECLEVEL=0"
        )
    }
}

extension Peers {
    /// Makes the certificates of this test, with those that are refused.
    fileprivate func zoo() async throws -> Certificates {
        let certificates = try await certificates()
        let script = try start(
            "\(Self.folder)/Peers/certificate_zoo.sh",
            certificates.folder
        )
        #expect(try await script.waitForExit() == .status(0))
        return certificates
    }
}
