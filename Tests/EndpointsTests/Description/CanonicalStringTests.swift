import Endpoints
import Testing

@Suite("Canonical strings")
struct CanonicalStringTests {
    @Test(
        "a client prints its required arguments by name, and what differs from the defaults",
        arguments: [
            ("tcp:example.com:80", "tcp:host=example.com:port=80"),
            ("tcp:host=example.com:port=80:timeout=15", "tcp:host=example.com:port=80:timeout=15"),
            (
                "tcp:www.example.com:80:bindAddress=192.0.2.100",
                "tcp:host=www.example.com:port=80:bindAddress=192.0.2.100"
            ),
            ("tcp:example.com:80:timeout=30", "tcp:host=example.com:port=80"),
            ("tcp:example.com:80:timeout=0.50", "tcp:host=example.com:port=80:timeout=0.5"),
            ("tcp:example.com:0080", "tcp:host=example.com:port=80"),
            ("tcp:[::1]:80", "tcp:host=[::1]:port=80"),
            ("tcp:\\:\\:1:80", "tcp:host=[::1]:port=80"),
            ("tcp:[fe80::1%eth0]:80", "tcp:host=[fe80::1%eth0]:port=80"),
            ("tcp6:example.com:80:noDelay=no", "tcp6:host=example.com:port=80:noDelay=0"),
            (
                "tcp:a:1:fastOpen=1:keepAlive=15:timeout=9:userTimeout=0.001:multipath=YES:reusePort=1",
                "tcp:host=a:port=1:timeout=9:keepAlive=15:userTimeout=0.001:reusePort=1:multipath=1:fastOpen=1"
            ),
            ("unix:path=/var/run/web.sock", "unix:path=/var/run/web.sock"),
            (
                "unix:/var/foo/bar:lockfile=1:timeout=9",
                "unix:path=/var/foo/bar:timeout=9:checkPID=1"
            ),
            ("unix:address=/a", "unix:path=/a"),
            ("unix:\0name", "unix:path=@name"),
            ("unix:@name", "unix:path=@name"),
            ("unix:./@name", "unix:path=./@name"),
            ("terminal:", "terminal:"),
            ("terminal", "terminal:"),
            (
                "secure:a:443:protocols=h2,http/1.1:level=require",
                "secure:host=a:port=443:level=require:protocols=h2,http/1.1"
            ),
        ]
    )
    func client(string: String, expected: String) throws {
        #expect(try canonical(string, .client) == expected)
        #expect(try canonical(expected, .client) == expected)
    }

    @Test(
        "a server prints its required arguments by name, and what differs from the defaults",
        arguments: [
            ("tcp:80", "tcp:port=80"),
            ("tcp:80:backlog=4096", "tcp:port=80"),
            ("tcp:port=80:interface=192.168.1.1", "tcp:port=80:interface=192.168.1.1"),
            ("tcp:80:127.0.0.1:50", "tcp:port=80:interface=127.0.0.1:backlog=50"),
            ("tcp:80:", "tcp:port=80"),
            ("tcp:80::7", "tcp:port=80:backlog=7"),
            ("tcp6:80:50:\\:\\:1", "tcp6:port=80:backlog=50:interface=[::1]"),
            (
                "tcp6:port=80:interface=2001\\:0DB8\\:f00e\\:eb00\\:\\:1",
                "tcp6:port=80:interface=[2001:db8:f00e:eb00::1]"
            ),
            ("tcp6:80:interface=", "tcp6:port=80:interface="),
            ("tcp6:80:interface=\\:\\:", "tcp6:port=80"),
            ("unix:/var/run/finger:mode=660", "unix:address=/var/run/finger:mode=660"),
            ("unix:/a:0o060:9:0", "unix:address=/a:mode=60:backlog=9:lockfile=0"),
            ("unix:path=/a:mode=666", "unix:address=/a"),
            ("unix:/a\\=b", "unix:address=/a=b"),
            ("unix:/a\\:b", "unix:address=/a\\:b"),
            ("unix:[C:/a:b]", "unix:address=[C:/a:b]"),
            ("unix:\\[a", "unix:address=\\[a"),
            ("unix:\\[a\\:b", "unix:address=\\[a\\:b"),
            ("mywrapper:[tcp:0]", "mywrapper:endpoint=tcp\\:port=0"),
            ("mywrapper:[tcp:0:127.0.0.1]", "mywrapper:endpoint=[tcp:port=0:interface=127.0.0.1]"),
            ("mywrapper:unix\\:/a]b", "mywrapper:endpoint=[unix:address=/a\\]b]"),
            ("prefix:tcp6:80:interface=\\:\\:1", "prefix:tcp6:port=80:interface=[::1]"),
            (
                "prefix:from=192.0.2.1,192.0.2.2:unix:/a\\=b",
                "prefix:from=192.0.2.1,192.0.2.2:unix:address=/a=b"
            ),
            ("either:8443", "either:port=8443"),
            ("either:/etc/keys:8443", "either:port=8443:path=/etc/keys"),
            ("either:/etc/keys", "either:path=/etc/keys"),
            ("either:", "either:"),
        ]
    )
    func server(string: String, expected: String) throws {
        #expect(try canonical(string, .server) == expected)
        #expect(try canonical(expected, .server) == expected)
    }

    @Test(
        "an IPv6 literal is printed as RFC 5952 writes it, and every spelling makes the same endpoint",
        arguments: [
            ("0:0:0:0:0:0:0:1", "::1"),
            ("::FFFF", "::ffff"),
            ("2001:0DB8:0000:0:1::0", "2001:db8:0:0:1::"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("0:0:0:0:0:FFFF:192.0.2.1", "::ffff:192.0.2.1"),
            ("FE80:0::1%Eth0", "fe80::1%Eth0"),
        ]
    )
    func literal(spelling: String, expected: String) throws {
        for string in [
            "tcp:HOST:80", "tcp:h:80:bindAddress=HOST", "tcp:h:80:bindAddress=[HOST:7]",
            "secure:HOST:443",
        ] {
            #expect(
                try canonical(string.replacing("HOST", with: "[\(spelling)]"), .client)
                    == canonical(string.replacing("HOST", with: "[\(expected)]"), .client)
            )
        }
        #expect(
            try canonical("tcp:80:interface=[\(spelling)]", .server)
                == "tcp:port=80:interface=[\(expected)]"
        )
        let made = TCP6ServerEndpoint(port: 80, interface: spelling)
        #expect(made.interface == expected)
        #expect(made == TCP6ServerEndpoint(port: 80, interface: expected))
        #expect(try serverFromString("\(made)") as? TCP6ServerEndpoint == made)
        var client = TCPClientEndpoint(host: spelling, port: 80)
        client.bindAddress = spelling
        #expect(try clientFromString("\(client)") as? TCPClientEndpoint == client)
        client.host = "example.com"
        client.host = spelling
        #expect((client.host, client.bindAddress) == (expected, expected))
    }

    @Test("an endpoint made in code prints as the string that makes it")
    func inCode() throws {
        let client: some ClientEndpoint = .tcp(host: "::1", port: 80)
        #expect("\(client)" == "tcp:host=[::1]:port=80")
        let local: some ServerEndpoint = .tcp(port: 0, interface: "127.0.0.1")
        #expect("\(local)" == "tcp:port=0:interface=127.0.0.1")
        let path: some ClientEndpoint = .unix(path: "/run/app.sock")
        #expect("\(path)" == "unix:path=/run/app.sock")
        let named: some ClientEndpoint = .unix(path: "\0app")
        #expect("\(named)" == "unix:path=@app")
    }

    @Test("the lock file is on in strings and off in code")
    func lockFile() throws {
        let inCode: some ServerEndpoint = .unix(path: "/run/app.sock")
        #expect("\(inCode)" == "unix:address=/run/app.sock:lockfile=0")
        #expect(
            try serverFromString("unix:/run/app.sock") as? UNIXServerEndpoint
                == UNIXServerEndpoint(path: "/run/app.sock", lockfile: true)
        )
    }

    @Test("a string makes the same value as code")
    func equal() throws {
        #expect(
            try clientFromString("tcp:example.com:80") as? TCPClientEndpoint
                == TCPClientEndpoint(host: "example.com", port: 80)
        )
        #expect(
            try serverFromString("tcp6:80:5") as? TCP6ServerEndpoint
                == TCP6ServerEndpoint(port: 80, backlog: 5)
        )
        var options = TCPOptions()
        options.keepAlive = .seconds(15)
        var client = TCPClientEndpoint(host: "a", port: 1)
        client.options = options
        client.timeout = .milliseconds(1500)
        #expect(
            try clientFromString("tcp:a:1:keepAlive=15:timeout=1.5") as? TCPClientEndpoint == client
        )
    }

    @Test("a user's endpoint without a kind is printed by its own description")
    func foreign() throws {
        struct Foreign: ServerEndpoint {
            var description: String
            func listen(in context: EndpointContext) async throws -> Listener {
                throw Unreachable()
            }
        }
        var wrapper = MyWrapper()
        wrapper.endpoint = Foreign(description: "foreign")
        #expect("\(wrapper)" == "mywrapper:endpoint=foreign")
        wrapper.endpoint = Foreign(description: "a:]:b")
        #expect("\(wrapper)" == "mywrapper:endpoint=a\\:\\]\\:b")
    }
}
