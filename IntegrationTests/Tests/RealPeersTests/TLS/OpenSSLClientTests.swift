import Endpoints
import Foundation
import RealPeers
import Testing

@Suite("openssl s_client at our server", .serialized, .timeLimit(.minutes(1)))
struct OpenSSLClientTests {
    @Test(
        "both sides agree on version and protocol, and keys are changed on the way",
        arguments: [TLSVersion.tls12, .tls13]
    )
    func agreement(version: TLSVersion) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            var server = certificates.server()
            server.applicationProtocols = ["h2", "http/1.1"]
            try await withTLSServer(server) { port, _ in
                let client = try peers.sClient(
                    port,
                    certificates,
                    version.opensslOption,
                    "-alpn",
                    "http/1.1,h2"
                )
                let facts = try await client.ask("facts")
                #expect(
                    facts.hasSuffix(
                        "TLS \(version.rawValue) alpn=h2 name=localhost resumed=false peer=-"
                    )
                )
                #expect(client.output.text.contains("New, TLSv\(version.rawValue), Cipher is "))
                #expect(client.output.text.contains("ALPN protocol: h2\n"))
                #expect(client.output.text.contains("Verification: OK\n"))
                if version == .tls13 {
                    // A key update, for which it asks one in return (RFC 8446, section 4.6.3).
                    client.write(Array("K\n".utf8))
                    _ = try await client.errors.firstLine { $0 == "KEYUPDATE" ? $0 : nil }
                    #expect(try await client.ask("updated").hasSuffix("peer=-"))
                }
                try await client.quit()
            }
        }
    }

    @Test("a protocol that is not ours is refused, in words on both sides")
    func noCommonProtocol() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            var server = certificates.server()
            server.applicationProtocols = ["h2"]
            try await withTLSServer(server) { port, listener in
                let events = listener.events
                let client = try peers.sClient(port, certificates, "-alpn", "spdy/3")
                let failure = try await events.nextFailure()
                #expect(failure.description.contains("none of our application protocols"))
                let (exit, text) = try await client.toExit()
                #expect(exit == .status(1))
                #expect(text.contains("alert no application protocol"))
            }
        }
    }

    @Test("to negotiate anew in TLS 1.2 is refused, and costs no connection but that")
    func renegotiation() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            try await withTLSServer(certificates.server()) { port, _ in
                let client = try peers.sClient(port, certificates, "-tls1_2")
                _ = try await client.ask("facts")
                client.write(Array("R\n".utf8))
                let (exit, text) = try await client.toExit()
                #expect(exit == .status(1))
                #expect(text.contains("no renegotiation"))
                let next = try peers.sClient(port, certificates, "-tls1_2")
                _ = try await next.ask("facts")
                try await next.quit()
            }
        }
    }

    @Test(
        "a client certificate is known, missed, or refused with its reason",
        arguments: [TLSVersion.tls12, .tls13]
    )
    func clientCertificates(version: TLSVersion) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let server = certificates.strictServer().only(version)
            try await withTLSServer(server) { port, listener in
                func client(_ name: String) throws -> ChildProcess {
                    try peers.sClient(
                        port,
                        certificates,
                        "-cert",
                        certificates.file("\(name).pem"),
                        "-key",
                        certificates.file("\(name).key")
                    )
                }
                let alice = try client("alice")
                #expect(try await alice.ask("facts").hasSuffix("peer=CN=alice"))
                #expect(alice.output.text.contains("Acceptable client certificate CA names"))
                try await alice.quit()

                let events = listener.events
                let bad: [(name: String?, ours: String, theirs: String)] = [
                    (nil, "shows no certificate, and one is required", ""),
                    ("mallory", "is not trusted", "alert unknown ca"),
                    ("old", "\"CN=old\" expired on", "alert certificate expired"),
                ]
                for (name, ours, theirs) in bad {
                    let peer = try name.map(client) ?? peers.sClient(port, certificates)
                    let failure = try await events.nextFailure()
                    #expect(failure.description.contains(ours))
                    let (exit, text) = try await peer.toExit()
                    #expect(exit == .status(1))
                    // What was missing has an alert of its own only in TLS 1.3.
                    let alert =
                        version == .tls13
                        ? "alert certificate required" : "alert handshake failure"
                    #expect(text.contains(theirs.isEmpty ? alert : theirs))
                }
            }
        }
    }

    @Test(
        "the name chooses the certificate",
        arguments: [
            ("one.example", "one"), ("a.wild.example", "wildcard"), ("localhost", "localhost"),
        ]
    )
    func serverName(name: String, subject: String) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            var server = certificates.server()
            server.identities += ["one", "wildcard"].flatMap { certificates.server($0).identities }
            try await withTLSServer(server) { port, _ in
                let client = try peers.sClient(port, certificates, name: name)
                #expect(try await client.ask("facts").contains("name=\(name) "))
                #expect(client.output.text.contains("subject=CN = \(subject)\n"))
                #expect(client.output.text.contains("Verified peername: "))
                try await client.quit()
            }
        }
    }

    @Test(
        "the peer says that it resumes, also after new certificates",
        arguments: [TLSVersion.tls12, .tls13]
    )
    func resumption(version: TLSVersion) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            for kind in ["key", "pem"] {
                try certificates.copy("localhost.\(kind)", to: "current.\(kind)")
            }
            let server = certificates.server("current").only(version)
            let session = peers.path("session")
            try await withTLSServer(server) { port, _ in
                for round in 0..<4 {
                    let input = round == 0 ? [] : ["-sess_in", session]
                    let client = try peers.sClient(port, certificates, "-sess_out", session, input)
                    #expect(try await client.ask("facts").contains("resumed=\(round > 0)"))
                    let word = round == 0 ? "New" : "Reused"
                    #expect(
                        client.output.text.contains("\(word), TLSv\(version.rawValue), Cipher is")
                    )
                    try await client.quit()
                    guard round == 1 else { continue }
                    for kind in ["key", "pem"] {
                        try certificates.copy("renewed.\(kind)", to: "current.\(kind)")
                    }
                    try server.reload()
                }
                let anew = try peers.sClient(port, certificates)
                _ = try await anew.ask("facts")
                #expect(anew.output.text.contains("subject=CN = renewed\n"))
                try await anew.quit()
            }
        }
    }

    @Test("the peer says that it resumes while the keys of the tickets change")
    func ticketKeys() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            var server = certificates.server()
            let lifetime = Duration.seconds(2)
            server.ticketKeyLifetime = lifetime
            let session = peers.path("session")
            try await withTLSServer(server) { port, _ in
                var keys: Set<String> = []
                var last = ContinuousClock.now
                var input: [String] = []
                while keys.count < 3 {
                    let start = ContinuousClock.now
                    let client = try peers.sClient(port, certificates, "-sess_out", session, input)
                    _ = try await client.ask("facts")
                    try await client.quit()
                    let said = String(decoding: try await client.output.toEnd(), as: UTF8.self)
                    // On a machine that stood still the old key is forgotten by right.
                    let isInTime = ContinuousClock.now - last < lifetime - .milliseconds(200)
                    if isInTime, !input.isEmpty { #expect(said.contains("Reused, TLSv1.3")) }
                    last = start
                    input = ["-sess_in", session]
                    // A ticket begins with the name of its key (RFC 5077, section 4).
                    let name = said.firstMatch(of: /session ticket:\s+0000 - (.{47})/)
                    keys.insert(String(try #require(name).1))
                }
            }
        }
    }
}

extension Peers {
    fileprivate func sClient(
        _ port: String,
        _ certificates: Certificates,
        _ option: String,
        _ value: String,
        _ more: [String]
    ) throws -> ChildProcess {
        try start(
            [
                "openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-CAfile",
                certificates.authority, "-verify_return_error", "-servername", "localhost",
                option, value,
            ] + more
        )
    }
}

extension Certificates {
    /// Copies a file, onto one that may be there.
    func copy(_ name: String, to other: String) throws {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file(name)))
        try bytes.write(to: URL(fileURLWithPath: file(other)), options: .atomic)
    }
}
