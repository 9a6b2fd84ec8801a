import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Errors of endpoint strings")
struct StringErrorTests {
    @Test("an error prints the string, a caret under the place, the message and the hint")
    func description() throws {
        let error = try refusal("tcp:80:backlgo=3", .server)
        #expect(
            error?.description == """
                tcp:80:backlgo=*
                       ^
                unknown argument "backlgo" of "tcp"; expected one of port, interface, backlog, \
                noDelay, keepAlive, userTimeout, reusePort, multipath, fastOpen
                did you mean "backlog"?
                """
        )
    }

    @Test("without a hint there is no line for it")
    func withoutHint() throws {
        let error = try refusal("tcp:example.com:port=eighty", .client)
        #expect(
            error?.description == """
                tcp:example.com:port=eighty
                                     ^
                argument "port" of "tcp": "eighty" is not a port from 1 to 65535
                """
        )
        #expect(error?.column == 22)
        #expect(error?.hint == nil)
    }

    @Test("columns count Unicode scalars")
    func scalars() throws {
        #expect(try refusal("unix:/🇩🇪é:x=1", .client)?.column == 11)
        #expect(try refusal("unix:/e\u{301}:x=1", .client)?.column == 10)
        #expect(try refusal("unix:/a\r\n:x=1", .client)?.column == 11)
    }

    @Test("the caret stands under the place also after marks and controls")
    func caret() throws {
        let marks = try refusal("unix:/e\u{301}:x=1", .client)
        #expect(marks?.description.split(separator: "\n")[1] == "        ^")
        let controls = try refusal("unix:/a\n\0\t:x=1", .client)
        let lines = controls?.description.split(separator: "\n") ?? []
        #expect(lines.first == "unix:/a␊␀␉:x=*")
        #expect(lines.dropFirst().first == "           ^")
        let directions = try refusal("unix:/a\u{202E}\u{9B}\u{200F}b:x=1", .client)
        let shown = directions?.description.split(separator: "\n") ?? []
        #expect(shown.first == "unix:/a\u{FFFD}\u{FFFD}\u{FFFD}b:x=*")
        #expect(shown.dropFirst().first == "            ^")
    }

    @Test("message and hint hold no control character, whatever the string holds")
    func controls() throws {
        let strings = [
            "haproxy:from=\u{1B}[2J\u{202E}:tcp:80", "tcp:\u{1B}[2J\n:80", "t\u{1B}p:80",
            "tls:h\u{9B}:443", "tcp:80:\u{1B}=3", "unix:@", "tls:h:1:min=\u{1B}",
        ]
        for string in strings {
            for side in EndpointSide.allCases {
                guard let error = try? refusal(string, side) else { continue }
                let text = error.message + (error.hint ?? "")
                #expect(EndpointError.escapingControls(text) == text)
            }
        }
    }

    @Test(
        "the caret stands under the place by what the signs before it take on a terminal",
        arguments: [
            ("é", 1), ("e\u{301}", 1), ("中", 2), ("中文", 4), ("한", 2),
            ("\u{1112}\u{1161}\u{11AB}", 2),
            ("ｱ", 1), ("Ａ", 2), ("、", 2), ("😀", 2), ("א", 1), ("\u{200D}", 0), ("ก", 1), ("€", 1),
        ]
    )
    func wideSigns(text: String, width: Int) throws {
        let error = try refusal("unix:/\(text):x=1", .client)
        let caret = error?.description.split(separator: "\n")[1]
        #expect(caret?.dropLast().count == "unix:/:".count + width)
    }

    @Test("of a long string only the place's neighbourhood is printed")
    func long() throws {
        let text = String(repeating: "a", count: 5000)
        let error = try refusal("my:\(text):count=x:timeout=\(text)", .client)
        #expect(error?.column == 5011)
        let lines = error?.description.split(separator: "\n") ?? []
        #expect(lines.allSatisfy { $0.count < 300 })
        #expect(lines.count == 3)
    }

    @Test(
        "a string without a kind is answered with the one that was meant",
        arguments: [
            ("8080", EndpointSide.server, "did you mean tcp:8080?"),
            ("8080:127.0.0.1", .server, "did you mean tcp:8080:127.0.0.1?"),
            ("8080", .client, "did you mean tcp:localhost:8080?"),
            (":8080", .server, "did you mean tcp:8080?"),
            ("example.com:80", .client, "did you mean tcp:example.com:80?"),
            ("localhost:80:timeout=3", .client, "did you mean tcp:localhost:80:timeout=3?"),
            ("[::1]:80", .client, "did you mean tcp:[::1]:80?"),
            ("::1:80", .client, "did you mean tcp:[::1]:80?"),
            ("2001:db8::1:80", .client, "did you mean tcp:[2001:db8::1]:80?"),
            ("fe80::1:80", .client, "did you mean tcp:[fe80::1]:80?"),
            ("/run/app.sock", .client, "did you mean unix:/run/app.sock?"),
            ("./app.sock:mode=600", .server, "did you mean unix:./app.sock:mode=600?"),
            ("@app", .client, "did you mean unix:@app?"),
            ("[tcp:80]", .server, "leave out the brackets round the whole"),
            ("http://example.com:80/x", .client, "this is no URL: write tcp:example.com:80"),
            ("tcp://example.com:80/x", .client, "this is no URL: write tcp:example.com:80"),
        ]
    )
    func missingKind(string: String, side: EndpointSide, hint: String) throws {
        #expect(try refusal(string, side)?.hint == hint)
    }

    @Test(
        "a misspelt kind, name or value is answered with the nearest",
        arguments: [
            ("tpc:80", EndpointSide.server, "did you mean tcp:80?"),
            ("tcp4:a:80", .client, "did you mean tcp:a:80?"),
            ("uinx:/a", .client, "did you mean unix:/a?"),
            ("tcp:a:80:timeuot=3", .client, "did you mean \"timeout\"?"),
            ("tcp:a:80:time=3", .client, "did you mean \"timeout\"?"),
            ("tcp:hostname=a:80", .client, "did you mean \"host\"?"),
            ("tcp:a:80:bindaddress=b", .client, "did you mean \"bindAddress\"?"),
            ("secure:a:443:level=requre", .client, "did you mean \"require\"?"),
            ("unix:/a:lockfile=yess", .server, "did you mean \"yes\"?"),
        ]
    )
    func misspelt(string: String, side: EndpointSide, hint: String) throws {
        #expect(try refusal(string, side)?.hint == hint)
    }

    @Test("nothing is suggested for what is near to nothing")
    func unlike() throws {
        #expect(try refusal("gopher:a", .client)?.hint == nil)
        #expect(try refusal("tcp:a:80:colour=3", .client)?.hint == nil)
    }

    @Test("an unknown kind is answered with all that there are")
    func kinds() throws {
        let error = #expect(throws: EndpointStringError.self) { try serverFromString("gopher:70") }
        let known = EndpointRegistry.standard.kinds(for: .server).map(\.kind)
        #expect(
            error?.message
                == "unknown kind of server \"gopher\"; expected one of \(known.joined(separator: ", "))"
        )
        #expect(known.contains("tcp6"))
        #expect(error?.column == 1)
    }

    @Test(
        "an IPv6 address without escapes is answered with both its spellings",
        arguments: [
            ("tcp:::1:80", EndpointSide.client, "write [::1] or \\:\\:1", 5),
            ("tcp:fe80::1:80", .client, "write [fe80::1] or fe80\\:\\:1", 5),
            ("tcp:fe80::1%eth0:80", .client, "write [fe80::1%eth0] or fe80\\:\\:1%eth0", 5),
            (
                "tcp:host=2001:db8::1:port=80", .client,
                "write host=[2001:db8::1] or host=2001\\:db8\\:\\:1", 10
            ),
            ("tcp:host=::1:port=80", .client, "write host=[::1] or host=\\:\\:1", 10),
            (
                "tcp6:80:interface=2001:db8::1", .server,
                "write interface=[2001:db8::1] or interface=2001\\:db8\\:\\:1", 19
            ),
            ("tcp6:80:interface=::", .server, "write interface=[::] or interface=\\:\\:", 19),
            ("tcp:80:::1", .server, "write [::1] or \\:\\:1", 8),
            ("tcp:80:fe80::1", .server, "write [fe80::1] or fe80\\:\\:1", 8),
            (
                "tcp:a:80:bindAddress=::1", .client,
                "write bindAddress=[::1] or bindAddress=\\:\\:1", 22
            ),
        ]
    )
    func unescapedAddress(string: String, side: EndpointSide, hint: String, column: Int) throws {
        let error = try refusal(string, side)
        #expect(error?.hint == hint)
        #expect(error?.column == column)
        #expect(error?.message.contains("the colons of the IPv6 address are not escaped") == true)
    }

    @Test("white space is named as what it is")
    func space() throws {
        #expect(
            try refusal("tcp: 80", .server)?.hint == "white space is part of the text: leave it out"
        )
    }
}
