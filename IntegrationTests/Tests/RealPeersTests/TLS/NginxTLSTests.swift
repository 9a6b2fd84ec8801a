// nginx on both sides of ours. It listens at paths, where no port can be taken by somebody else.

import Endpoints
import Foundation
import RealPeers
import Testing

@Suite("nginx's TLS", .serialized, .timeLimit(.minutes(1)))
struct NginxTLSTests {
    /// Starts nginx, and waits until it serves.
    private func nginx(_ peers: Peers, _ configuration: String) async throws -> ChildProcess {
        // The workers reach the test's folder only as the user that it belongs to.
        let user = getuid() == 0 ? "user root;" : ""
        let text = """
            load_module /usr/lib/nginx/modules/ngx_stream_module.so;
            \(user)
            daemon off;
            worker_processes 1;
            pid \(peers.path("nginx.pid"));
            error_log stderr notice;
            events {}
            \(configuration)
            """
        let file = try peers.file("nginx.conf", Array(text.utf8))
        let nginx = try peers.start("nginx", "-p", peers.directory, "-e", "stderr", "-c", file)
        _ = try await nginx.errors.firstLine { $0.contains("start worker process ") ? $0 : nil }
        return nginx
    }

    @Test("our client at its server, certificate and resumption included")
    func server() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let path = peers.path("https.sock")
            _ = try await nginx(
                peers,
                """
                http {
                    access_log off;
                    server {
                        listen unix:\(path) ssl;
                        ssl_certificate \(certificates.file("localhost.pem"));
                        ssl_certificate_key \(certificates.file("localhost.key"));
                        ssl_client_certificate \(certificates.authority);
                        ssl_verify_client on;
                        ssl_session_cache shared:sessions:1m;
                        ssl_protocols TLSv1.2 TLSv1.3;
                        location / {
                            return 200 "$ssl_protocol $ssl_client_s_dn [$ssl_session_reused]";
                        }
                    }
                }
                """
            )
            for version in [TLSVersion.tls12, .tls13] {
                var client = certificates.client("alice").only(version)
                client.applicationProtocols = ["http/1.1"]
                var endpoint = try certificates.endpoint("443", client)
                endpoint.endpoint = UNIXClientEndpoint(path: path)
                for resumed in ["[.]", "[r]"] {
                    let answer = try await get(endpoint)
                    #expect(answer.hasSuffix("TLSv\(version.rawValue) CN=alice \(resumed)"))
                }
                var stranger = endpoint
                stranger.configuration = certificates.client("mallory").only(version)
                #expect(try await get(stranger).contains("400 The SSL certificate error"))
            }
        }
    }

    private func get(_ endpoint: TLSClientEndpoint) async throws -> String {
        try await endpoint.withConnection { connection in
            try await connection.write(
                "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8
            )
            var answer: [UInt8] = []
            for try await chunk in connection { answer += chunk }
            return String(decoding: answer, as: UTF8.self)
        }
    }

    @Test("our client through its TLS to our server in the clear, and the other way round")
    func stream() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            let plain = peers.path("plain.sock")
            let secure = peers.path("secure.sock")
            let terminator = peers.path("terminator.sock")
            let originator = peers.path("originator.sock")
            _ = try await nginx(
                peers,
                """
                stream {
                    server {
                        listen unix:\(terminator) ssl;
                        ssl_certificate \(certificates.file("localhost.pem"));
                        ssl_certificate_key \(certificates.file("localhost.key"));
                        proxy_pass unix:\(plain);
                    }
                    server {
                        listen unix:\(originator);
                        proxy_pass unix:\(secure);
                        proxy_ssl on;
                        proxy_ssl_verify on;
                        proxy_ssl_trusted_certificate \(certificates.authority);
                        proxy_ssl_server_name on;
                        proxy_ssl_name localhost;
                        proxy_ssl_certificate \(certificates.file("alice.pem"));
                        proxy_ssl_certificate_key \(certificates.file("alice.key"));
                        proxy_ssl_protocols TLSv1.2 TLSv1.3;
                    }
                }
                """
            )
            try await withServer(UNIXServerEndpoint(path: plain), echo) { _, _ in
                var endpoint = try certificates.endpoint("443")
                endpoint.endpoint = UNIXClientEndpoint(path: terminator)
                try await endpoint.withConnection { connection in
                    async let sent: Void = connection.write(tenMebibytes)
                    let came = try await connection.read(exactly: tenMebibytes.count)
                    expectSame(came, tenMebibytes)
                    try await sent
                }
            }
            var server = TLSServerEndpoint()
            server.endpoint = UNIXServerEndpoint(path: secure)
            server.configuration = certificates.strictServer()
            try await withServer(server, tellFacts) { _, _ in
                try await UNIXClientEndpoint(path: originator).withConnection { connection in
                    try await connection.write("facts\n".utf8)
                    for try await line in connection.lines() {
                        #expect(line.contains("name=localhost resumed=false peer=CN=alice"))
                        break
                    }
                }
            }
        }
    }
}
