import CEndpoints
import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("TLS endpoints", .certificates, .timeLimit(.minutes(1)))
struct TLSEndpointTests {
    @Test(
        "strings of clients print as they mean",
        arguments: [
            ("tls:example.com:443", "tls:host=example.com:port=443"),
            ("tls:example.com:443:timeout=10", "tls:host=example.com:port=443:timeout=10"),
            (
                "tls:awesome.site.example.com:443:endpoint=tcp\\:7.6.5.4\\:443",
                "tls:host=awesome.site.example.com:port=443:endpoint=[tcp:host=7.6.5.4:port=443]"
            ),
            ("tls:h:1:trustRoots=/etc/ca", "tls:host=h:port=1:trustRoots=/etc/ca"),
            ("tls:h:1:alpn=h2,http/1.1", "tls:host=h:port=1:alpn=h2,http/1.1"),
            ("tls:h:1:minimumVersion=1.3", "tls:host=h:port=1:minimumVersion=1.3"),
            ("tls:h:1:minimumVersion=1.2:resume=1", "tls:host=h:port=1"),
            ("tls:h:1:9", "tls:host=h:port=1:timeout=9"),
            (
                "tls:h:1:9:192.0.2.1:/c:/k:/ca",
                "tls:host=h:port=1:timeout=9:bindAddress=192.0.2.1:certificate=/c:privateKey=/k"
                    + ":trustRoots=/ca"
            ),
            ("tls:host=h:1", "tls:host=h:port=1"),
            (
                "ssl:host=twistedmatrix.com:port=443:caCertsDir=/etc/ssl/certs",
                "ssl:host=twistedmatrix.com:port=443:caCertsDir=/etc/ssl/certs"
            ),
        ]
    )
    func clients(text: String, canonical: String) throws {
        let endpoint = try clientFromString(text)
        #expect("\(endpoint)" == canonical)
        #expect("\(try clientFromString(canonical))" == canonical)
    }

    @Test(
        "strings of servers print as they mean",
        arguments: [
            ("tls:8443:privateKey=/k", "tls:port=8443:privateKey=/k"),
            ("tls:/etc/letsencrypt/live", "tls:path=/etc/letsencrypt/live"),
            ("tls:/l:8443:50", "tls:port=8443:path=/l:backlog=50"),
            ("tls:/l:443", "tls:path=/l"),
            ("ssl:443:sslmethod=SSLv23_METHOD", "ssl:port=443"),
            (
                "ssl:443:privateKey=C\\:/key.pem:certKey=C\\:/cert.pem",
                "ssl:port=443:privateKey=C\\:/key.pem:certKey=C\\:/cert.pem"
            ),
            (
                "ssl:443:/k:/c:TLSv1_2_METHOD",
                "ssl:port=443:privateKey=/k:certKey=/c:sslmethod=TLSv1_2_METHOD"
            ),
            (
                "tls:endpoint=[unix:/run/a.sock]:privateKey=/k",
                "tls:endpoint=unix\\:address=/run/a.sock:privateKey=/k"
            ),
        ]
    )
    func servers(text: String, canonical: String) throws {
        let endpoint = try serverFromString(text)
        #expect("\(endpoint)" == canonical)
        #expect("\(try serverFromString(canonical))" == canonical)
    }

    @Test(
        "strings that mean nothing safe are refused",
        arguments: [
            ("ssl:443:sslmethod=SSLv3_METHOD", "obsolete and insecure"),
            ("ssl:443:sslmethod=TLSv1_METHOD", "obsolete and insecure"),
            ("ssl:443:sslmethod=DTLS_METHOD", "is not one of TLS_METHOD"),
            ("tls:privateKey=/k", "needs the argument \"port\""),
            ("tls:443:clientCertificate=require", "needs clientRoots"),
            ("tls:443:clientRoots=/ca", "has no effect without clientCertificate"),
            ("tls:443:revocationLists=/l", "has no effect without clientCertificate"),
            ("tls:443:minimumVersion=1.3:maximumVersion=1.2", "is older than"),
            ("tls:443:ciphers=nonsense", "\"nonsense\" means nothing to OpenSSL"),
            ("tls:443:cipherSuites=nonsense", "\"nonsense\" means nothing to OpenSSL"),
            ("tls:443:groups=X25519,nonsense", "means nothing to OpenSSL"),
            ("tls:443:ciphers=TLS_AES_128_GCM_SHA256", "cipherSuites= takes those of TLS 1.3"),
            ("ssl:443:cipherSuites=AES128-SHA", "ciphers= takes those of TLS 1.2"),
            ("ssl:443:alpn=" + String(repeating: "a", count: 256), "1 to 255 bytes"),
            ("tls:443:endpoint=[unix:/a]", "has no effect with an endpoint"),
            ("tls:443:/somewhere", "too many arguments"),
            ("tls:443:/somewhere", "without a name it takes port\n"),
        ]
    )
    func refusedServers(text: String, words: String) {
        let error = #expect(throws: EndpointStringError.self) { _ = try serverFromString(text) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test(
        "a client's string must make sense",
        arguments: [
            ("tls:h:1:privateKey=/k", "has no effect without a certificate"),
            ("tls:h:1:endpoint=[tcp:h:2]:bindAddress=192.0.2.1", "has no effect with an endpoint"),
            ("tls:h:1:passphraseFile=/p", "has no effect without a certificate"),
            ("tls:h:1:groups=nonsense", "\"nonsense\" means nothing to OpenSSL"),
            ("tls:h:1:ciphers=nonsense", "\"nonsense\" means nothing to OpenSSL"),
            ("tls:h:1:alpn=h2," + String(repeating: "a", count: 256), "1 to 255 bytes"),
            ("tls:h:1:pins=abc", "SHA-256 of a public key"),
            ("tls:h:1:1.1.1", "argument \"timeout\" of \"tls\": \"1.1.1\" is not a number"),
            ("tls:2001:db8::1:443", "write [2001:db8::1] or 2001\\:db8\\:\\:1"),
            ("tls:::1:443", "the colons of the IPv6 address are not escaped"),
            ("tls:h:1:9:192.0.2.1:/c:/k:/ca:tcp:h:2", "of the nested endpoint are not escaped"),
            ("tls:h:1:9:192.0.2.1:/c:/k:/ca:[tcp:h:2]:x", "too many arguments"),
        ]
    )
    func refusedClients(text: String, words: String) {
        let error = #expect(throws: EndpointStringError.self) { _ = try clientFromString(text) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test("10 MiB go each way at once, over TCP")
    func bulk() async throws {
        let zoo = try TLSTesting.zoo()
        let server = try serverFromString(
            "tls:0:interface=127.0.0.1:privateKey=\(zoo.file("localhost.key"))"
                + ":certKey=\(zoo.file("localhost.pem"))"
        )
        let listener = try await server.listen()
        let port = try #require(listener.addresses.first?.port)
        let serving = Task {
            try await listener.serve { connection in
                var buffer = ReadBuffer()
                while try await connection.read(into: &buffer) > 0 {
                    try await connection.write(buffer)
                    buffer.removeAll()
                }
            }
        }
        let client = try clientFromString(
            "tls:localhost:\(port):trustRoots=\(zoo.file("ca.pem"))"
        )
        let bytes = pattern(10 << 20)
        try await client.withConnection { connection in
            async let sent: Void = {
                try await connection.write(bytes)
                try await connection.closeWrite()
            }()
            var came: [UInt8] = []
            for try await chunk in connection { came += chunk }
            try await sent
            #expect(came == bytes)
        }
        await listener.close()
        try await serving.value
    }

    @Test("several parts are one record")
    func parts() async throws {
        let (client, server) = try await TLSTesting.pair()
        try await client.write([Array("a".utf8), [], Array("bc".utf8), Array("d".utf8)])
        #expect(try await server.read(atMost: 100) == Array("abcd".utf8))
        let many = (0..<3000).map { [UInt8](repeating: UInt8($0 & 255), count: 50) }
        async let sent: Void = client.write(many)
        #expect(try await server.read(exactly: 150_000) == many.flatMap { $0 })
        try await sent
        await client.close()
        await server.close()
    }

    @Test("a listener goes on beside peers that say nothing or nonsense", .tags(.faults))
    func stalls() async throws {
        let zoo = try TLSTesting.zoo()
        let server = try serverFromString(
            "tls:0:interface=127.0.0.1:handshakeTimeout=1.5:privateKey=\(zoo.file("localhost.key"))"
                + ":certKey=\(zoo.file("localhost.pem"))"
        )
        let listener = try await server.listen()
        let port = try #require(listener.addresses.first?.port)
        let events = listener.events
        let serving = Task {
            try await listener.serve { connection in try await connection.write("hello".utf8) }
        }
        let silent = try await TCPClientEndpoint(host: "127.0.0.1", port: port).connect()
        let rude = try await TCPClientEndpoint(host: "127.0.0.1", port: port).connect()
        try await rude.write("GET / HTTP/1.1\r\n\r\n".utf8)
        let client = TLSClientEndpoint(host: "127.0.0.1", port: port, try TLSTesting.client())
        let greeting = try await client.withConnection { connection in
            try await connection.read(exactly: 5)
        }
        #expect(greeting == Array("hello".utf8))
        var texts: [String] = []
        for await event in events {
            if case .failed(_, let error) = event { texts.append("\(error)") }
            if texts.count == 2 { break }
        }
        #expect(texts.contains { $0.contains("plain HTTP") })
        #expect(texts.contains { $0.contains("not finished after 1.5 s") })
        silent.abort()
        rude.abort()
        await listener.close()
        try await serving.value
    }

    @Test("the time limit covers the handshake over another endpoint, and says so")
    func silentOverEndpoint() async throws {
        let listener = try await serverFromString("memory:silent-handshake").listen()
        let client = try clientFromString(
            "tls:example.com:443:timeout=0.5:endpoint=[memory:silent-handshake]"
        )
        let error = await #expect(throws: EndpointError.self) { try await client.connect() }
        #expect(error?.phase == .handshake)
        #expect(error?.description.hasSuffix("timed out after 0.5 s in the TLS handshake") == true)
        await listener.close()
    }

    @Test("a missing file is an error of listen and of connect, which names all")
    func missingFiles() async throws {
        let server = try serverFromString("tls:0:privateKey=/nowhere/key.pem")
        let listening = await TLSTesting.failure { await (try server.listen()).close() }
        #expect(
            listening?.description
                == "listen tls:port=0:privateKey=/nowhere/key.pem: privateKey \"/nowhere/key.pem\": "
                + "no such file or directory (ENOENT)"
        )
        let client = try clientFromString("tls:localhost:1:trustRoots=/nowhere")
        let connecting = await TLSTesting.failure { await (try client.connect()).close() }
        #expect(connecting?.code == .notFound)
        #expect(connecting?.description.contains("trustRoots \"/nowhere\"") == true)
    }

    @Test("a directory serves each name with its certificate")
    func directory() async throws {
        let zoo = try TLSTesting.zoo()
        let folder = try TemporaryDirectory()
        for name in ["one", "two", "wildcard"] {
            let key = try FileReading.bytes(of: zoo.file("\(name).key"), argument: "")
            let certificate = try FileReading.bytes(of: zoo.file("\(name).pem"), argument: "")
            let file = endpoints_open(folder.file("\(name).pem"), O_WRONLY | O_CREAT, 0o600)
            _ = endpoints_write(file, key + certificate, key.count + certificate.count)
            _ = endpoints_close(file)
        }
        let server = TLSServerConfiguration(directory: folder.path)
        for (name, subject) in [("two.example", "two"), ("x.example.com", "wildcard")] {
            let (near, far) = try await TLSTesting.pair(nil, server, serverName: name)
            #expect(near.tls?.peerCertificates.first?.subject == "CN=\(subject)")
            await near.close()
            await far.close()
        }
    }
}
