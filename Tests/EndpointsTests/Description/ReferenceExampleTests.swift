import Endpoints
import Testing

/// Twisted's own example strings; `secure` and `prefix` stand in for `tls` and `haproxy`.
@Suite("Example strings")
struct ReferenceExampleTests {
    @Test(
        "clients",
        arguments: [
            "tcp:host=twistedmatrix.com:port=80:timeout=15",
            "secure:example.com:443",
            "secure:awesome.site.example.com:443:endpoint=tcp\\:7.6.5.4\\:443",
            "secure:awesome.site.example.com:443:endpoint=unix\\:/var/run/awesome.sock",
            "secure:a.example:443:endpoint=secure\\:b.example\\:444\\:endpoint=tcp\\\\\\:c.example\\\\\\:445",
            "secure:a.example:443:endpoint=[secure:b.example:444:endpoint=[tcp:10.0.0.1:445]]",
            "unix:path=/var/run/web.sock",
            "unix:/var/foo/bar:lockfile=1:timeout=9",
            "tcp:www.example.com:80:bindAddress=192.0.2.100",
            "tcp:[::1]:80",
        ]
    )
    func clients(string: String) throws {
        let printed = try canonical(string, .client)
        #expect(try canonical(printed, .client) == printed)
    }

    @Test(
        "servers",
        arguments: [
            "tcp:port=80:interface=192.168.1.1",
            "tcp6:port=80:interface=2001\\:0DB8\\:f00e\\:eb00\\:\\:1",
            "unix:address=/var/run/web.sock:lockfile=1",
            "unix:/var/run/finger:mode=660",
            "prefix:tcp:port=80:interface=192.168.1.1",
            "prefix:tcp6:80:interface=\\:\\:1",
            "terminal:",
        ]
    )
    func servers(string: String) throws {
        let printed = try canonical(string, .server)
        #expect(try canonical(printed, .server) == printed)
    }

    @Test("a bare port is refused, and the kind suggested")
    func barePort() throws {
        #expect(try refusal("8080", .server)?.hint == "did you mean tcp:8080?")
    }

    @Test("a nested endpoint whose colons are not escaped is refused")
    func unescaped() throws {
        let error = try refusal("secure:a.example:443:endpoint=tcp:b.example:443", .client)
        #expect(error?.message.contains("colons of the nested endpoint are not escaped") == true)
    }
}
