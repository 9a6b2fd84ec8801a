import Endpoints
import Testing

/// The reference's strings, read by the kinds that the library brings.
@Suite("Example strings of the standard kinds")
struct StandardExampleTests {
    @Test(
        "clients are read, and printed as what reads the same",
        arguments: [
            "tcp:host=twistedmatrix.com:port=80:timeout=15",
            "tls:example.com:443",
            "tls:awesome.site.example.com:443:endpoint=tcp\\:7.6.5.4\\:443",
            "tls:awesome.site.example.com:443:endpoint=unix\\:/var/run/awesome.sock",
            "tls:a.example:443:endpoint=tls\\:b.example\\:444\\:endpoint=tcp\\\\\\:c.example\\\\\\:445",
            "unix:path=/var/run/web.sock",
            "unix:/var/foo/bar:lockfile=1:timeout=9",
            "ssl:host=twistedmatrix.com:port=443:caCertsDir=/etc/ssl/certs",
            "tcp:www.example.com:80:bindAddress=192.0.2.100",
            "tls:example.com:443:endpoint=[socks5:example.com:443:proxy=[tcp:10.0.0.1:1080]]",
            "connect:example.com:443:proxy=[tls:proxy.example:3128]:user=a:passwordFile=/etc/pw",
            "haproxy:version=1:source=[192.0.2.1:7]:tls:example.com:443",
            "memory:name", "fd:3", "stdio:", "process:/usr/bin/ssh:'-W' 'a b' gate:grace=2",
        ]
    )
    func clients(string: String) throws {
        let printed = try clientFromString(string).description
        #expect(try clientFromString(printed).description == printed)
    }

    @Test(
        "servers are read, and printed as what reads the same",
        arguments: [
            "tcp:port=80:interface=192.168.1.1",
            "tcp6:port=80:interface=2001\\:0DB8\\:f00e\\:eb00\\:\\:1",
            "ssl:443:privateKey=key.pem:certKey=crt.pem",
            "ssl:443:privateKey=C\\:/key.pem:certKey=C\\:/cert.pem",
            "unix:address=/var/run/web.sock:lockfile=1",
            "unix:/var/run/finger:mode=660",
            "systemd:domain=INET6:index=3",
            "systemd:domain=INET:name=my-web-port",
            "haproxy:tcp:port=80:interface=192.168.1.1",
            "haproxy:from=[10.0.0.0/8,::1,unix]:timeout=3:tls:8443:privateKey=/etc/app/key.pem",
            "haproxy:ssl:port=443:privateKey=/etc/server.pem:extraCertChain=/etc/chain.pem",
            "memory:name:backlog=3", "fd:3", "stdio:",
        ]
    )
    func servers(string: String) throws {
        let printed = try serverFromString(string).description
        #expect(try serverFromString(printed).description == printed)
    }
}
