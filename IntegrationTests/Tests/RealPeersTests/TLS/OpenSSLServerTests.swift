import Endpoints
import RealPeers
import Testing

@Suite("Our client at openssl s_server", .serialized, .timeLimit(.minutes(1)))
struct OpenSSLServerTests {
    @Test(
        "both sides agree on version and protocol",
        arguments: [TLSVersion.tls12, .tls13]
    )
    func agreement(version: TLSVersion) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let (server, port) = try await peers.sServer(certificates, "-rev", "-alpn", "h2,x")
            var client = certificates.client().only(version)
            client.applicationProtocols = ["x", "h2"]
            try await certificates.endpoint(port, client).withConnection { connection in
                #expect(
                    connection.tls?.line
                        == "TLS \(version.rawValue) alpn=h2 name=localhost resumed=false "
                        + "peer=CN=localhost"
                )
                try await connection.write("abc\n".utf8)
                #expect(try await connection.read(exactly: 4) == Array("cba\n".utf8))
            }
            _ = try await server.errors.firstLine { line in
                line.hasPrefix("Protocol version: TLSv\(version.rawValue)") ? line : nil
            }
            _ = try await server.errors.firstLine { $0 == "CONNECTION CLOSED" ? $0 : nil }
        }
    }

    @Test("its key updates are followed, and an end without close_notify is none")
    func keyUpdates() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let (server, port) = try await peers.sServer(certificates)
            try await certificates.endpoint(port).withConnection { connection in
                for round in 1...3 {
                    // Capital: it asks for new keys of ours as well (RFC 8446, section 4.6.3). It says
                    // that it has done so when it next prints a line of ours.
                    server.write(Array("K\n".utf8))
                    var count = 0
                    var updates = 0
                    while updates < round {
                        count += 1
                        let line = "line \(round).\(count)"
                        try await connection.write("\(line)\n".utf8)
                        _ = try await server.output.firstLine { $0 == line ? line : nil }
                        updates = server.output.lines.count { $0 == "SSL_do_handshake -> 1" }
                    }
                    server.write(Array("after\n".utf8))
                    #expect(try await connection.read(exactly: 6) == Array("after\n".utf8))
                }
                try await connection.write("last\n".utf8)
                _ = try await server.output.firstLine { $0 == "last" ? $0 : nil }
                // It closes without a goodbye: anybody on the way could have done that.
                server.write(Array("q\n".utf8))
                let error = await #expect(throws: EndpointError.self) {
                    try await connection.read(atMost: 1)
                }
                #expect(error?.code == .truncated)
            }
        }
    }

    @Test("it says that our second connection resumes", arguments: [TLSVersion.tls12, .tls13])
    func resumption(version: TLSVersion) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let (_, port) = try await peers.sServer(certificates, "-www", version.opensslOption)
            let endpoint = try certificates.endpoint(port)
            for round in 0..<3 {
                let page = try await endpoint.withConnection { connection in
                    #expect(connection.tls?.isResumed == (round > 0))
                    #expect(connection.tls?.isPeerVerified == true)
                    try await connection.write("GET / HTTP/1.0\r\n\r\n".utf8)
                    var page: [UInt8] = []
                    for try await chunk in connection { page += chunk }
                    return String(decoding: page, as: UTF8.self)
                }
                let word = round == 0 ? "New" : "Reused"
                #expect(page.contains("\(word), TLSv\(version.rawValue), Cipher is"))
            }
        }
    }

    @Test(
        "it knows our certificate, misses it, or refuses it",
        arguments: [TLSVersion.tls12, .tls13]
    )
    func clientCertificates(version: TLSVersion) async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let (server, port) = try await peers.sServer(
                certificates,
                "-rev",
                "-Verify",
                "1",
                "-verify_return_error",
                "-CAfile",
                certificates.authority,
                version.opensslOption
            )
            func exchange(_ name: String?) async throws {
                let client = certificates.client(name)
                try await certificates.endpoint(port, client).withConnection { connection in
                    try await connection.write("abc\n".utf8)
                    #expect(try await connection.read(exactly: 4) == Array("cba\n".utf8))
                }
            }
            try await exchange("alice")
            _ = try await server.errors.firstLine { line in
                line == "Peer certificate: CN = alice" ? line : nil
            }
            // For a missing certificate TLS 1.2 has no alert of its own.
            let bad: [(name: String?, words: String, theirs: String)] = [
                (nil, "wants a certificate of ours", "peer did not return a certificate"),
                ("mallory", "does not trust the issuer of our certificate", "verify failed"),
                ("old", "the peer refuses our certificate (certificate expired)", "verify failed"),
            ]
            for (name, words, theirs) in bad {
                let error = await #expect(throws: EndpointError.self) { try await exchange(name) }
                #expect(error?.code == .handshakeFailed)
                #expect(error?.description.contains(words) == true)
                _ = try await server.errors.firstLine { $0.contains(theirs) ? $0 : nil }
            }
            try await exchange("alice")
        }
    }

    @Test("a server that is another is refused, and told so")
    func wrongServer() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let (server, port) = try await peers.sServer(certificates, "-rev")
            var endpoint = try certificates.endpoint(port)
            endpoint.serverName = "other.example"
            let wrongName = endpoint
            let misnamed = await #expect(throws: EndpointError.self) {
                try await wrongName.connect()
            }
            #expect(misnamed?.code == .certificateInvalid)
            #expect(misnamed?.description.contains("\"localhost\", \"127.0.0.1\", not") == true)
            _ = try await server.errors.firstLine { $0.contains("alert bad cert") ? $0 : nil }

            var strangers = TLSClientConfiguration()
            strangers.trustRoots = .file(certificates.file("other-ca.pem"))
            let stranger = try certificates.endpoint(port, strangers)
            let untrusted = await #expect(throws: EndpointError.self) {
                try await stranger.connect()
            }
            #expect(untrusted?.description.contains("is not trusted") == true)
            _ = try await server.errors.firstLine { $0.contains("alert unknown ca") ? $0 : nil }
        }
    }
}
