import Endpoints
import Testing

/// Strings of one kind that differ in one text, and which of them are taken.
private func expectTaken(
    _ texts: [String],
    in before: String,
    after: String = "",
    _ side: EndpointSide
) throws {
    for text in texts {
        let error = try refusal(before + text + after, side)
        #expect(error == nil, "\(before + text + after)")
    }
}

private func expectRefused(
    _ texts: [String],
    in before: String,
    after: String = "",
    _ side: EndpointSide
) throws {
    for text in texts {
        let error = try refusal(before + text + after, side)
        #expect(error != nil, "\(before + text + after)")
        // The place is that of the text, or after it where it is cut short.
        let column = error?.column ?? 0
        #expect(column >= 1 && column <= (before + text + after).unicodeScalars.count + 1)
    }
}

/// Texts that `Int.init` or C would take for a number, and that are none here.
private let noNumbers = [
    "+80", "-1", " 80", "80 ", "8_0", "٨٠", "８０", "0x50", "8e1", "80.0", "", "a", "http",
    "\u{301}8",
    "18446744073709551616", "340282366920938463463374607431768211456",
]

@Suite("Stricter rules")
struct StricterRulesTests {
    @Test("a server's port is 0 to 65535 in ASCII digits")
    func serverPort() throws {
        try expectTaken(["0", "1", "80", "65535", "00080"], in: "tcp:", .server)
        try expectRefused(noNumbers + ["65536", "-0"], in: "tcp:port=", .server)
    }

    @Test("a client's port is 1 to 65535 in ASCII digits")
    func clientPort() throws {
        try expectTaken(["1", "80", "65535"], in: "tcp:a:", .client)
        try expectRefused(noNumbers + ["0", "65536"], in: "tcp:a:port=", .client)
    }

    @Test("a backlog is 0 to 2147483647")
    func backlog() throws {
        try expectTaken(["0", "2147483647"], in: "tcp:80:backlog=", .server)
        try expectRefused(noNumbers + ["2147483648"], in: "tcp:80:backlog=", .server)
        try expectRefused(["2147483648", "-1"], in: "unix:/a:backlog=", .server)
    }

    @Test("a timeout is a positive number of seconds with at most one point")
    func timeout() throws {
        let good = ["1", "0.5", "30.25", ".5", "5.", "0.000000000000000001", "007", "2147483647"]
        let bad = [
            "0", "0.0", "", ".", "1.2.3", "1e3", "-1", "+1", " 1", "1 ", "inf", "nan", "1,5", "٣",
            "2147483648", "9223372036854775808", "0.0000000000000000001", "1_0",
        ]
        try expectTaken(good, in: "tcp:a:80:timeout=", .client)
        try expectRefused(bad, in: "tcp:a:80:timeout=", .client)
        try expectTaken(good, in: "unix:/a:timeout=", .client)
        try expectRefused(bad, in: "unix:/a:timeout=", .client)
    }

    @Test("a boolean is 0, 1, true, false, yes or no in any case")
    func boolean() throws {
        for text in ["1", "true", "TRUE", "Yes"] {
            #expect(try canonical("unix:/a:checkPID=\(text)", .client) == "unix:path=/a:checkPID=1")
        }
        for text in ["0", "false", "fAlse", "NO"] {
            #expect(try canonical("unix:/a:lockfile=\(text)", .client) == "unix:path=/a")
        }
        try expectRefused(
            ["2", "", "on", "off", "y", "truE ", "00"],
            in: "unix:/a:lockfile=",
            .server
        )
    }

    @Test("a mode is octal, with or without 0o, up to 777")
    func mode() throws {
        try expectTaken(["0", "660", "777", "0o777", "0660"], in: "unix:/a:mode=", .server)
        try expectRefused(
            [
                "8", "888", "1000", "0o", "0x1", "-1", "+7", "", "rw", "0o0o7",
                "99999999999999999999",
            ],
            in: "unix:/a:mode=",
            .server
        )
    }

    @Test("a required text is not empty")
    func requiredText() throws {
        for string in ["tcp::80", "tcp:host=:80", "unix:path=", "unix:[]", "my:[]", "secure::443"] {
            let error = try refusal(string, .client)
            #expect(error?.message.contains("is empty; expected") == true, "\(string)")
        }
        #expect(
            try refusal("unix:", .client)?.message.contains("needs the argument \"path\"") == true
        )
    }

    @Test("an optional text is not empty, but for the interface that means all")
    func optionalText() throws {
        try expectTaken(["tcp:80:interface=", "tcp:80:", "tcp6:80:interface="], in: "", .server)
        try expectRefused(["tcp:80:backlog=", "unix:/a:mode=", "tcp:80::"], in: "", .server)
        try expectRefused(["tcp:a:80:timeout=", "tcp:a:80:bindAddress="], in: "", .client)
    }

    @Test("a host is a literal, or labels that DNS can carry")
    func host() throws {
        let label = String(repeating: "a", count: 63)
        let long = [label, label, label, String(repeating: "b", count: 61)].joined(separator: ".")
        let good = [
            "a", "example.com", "EXAMPLE.com.", "a_b.example", "_srv.example",
            "xn--bcher-kva.example",
            "1a.example", "a1", "1.2.3.4", "bücher.example", "例え.テスト", label, long, "\(long).",
            "3com.com", "a-b", "a--b", "0x.example",
        ]
        let bad = [
            "-a", "a-", "a.-b", "a..b", ".a", ".", "a..", "*.example", "*", "a b", "a/b", "a@b",
            "a%b",
            "a\0", "a\nb", "\(label)a", "\(long)b", "bücher..example", "bü cher", "bücher.-a",
            "1.2.3.4\0",
        ]
        try expectTaken(good, in: "tcp:", after: ":80", .client)
        try expectRefused(bad, in: "tcp:", after: ":80", .client)
        try expectRefused(["a..b", "-a", "*", "127.1"], in: "tcp:80:interface=", .server)
        try expectRefused(["a..b", "-a", "*", "127.1"], in: "tcp:a:80:bindAddress=", .client)
    }

    @Test("a port may stand behind a bindAddress")
    func boundPort() throws {
        let good = ["192.0.2.1\\:80", "[192.0.2.1:80]", "[[2001:db8::1]:80]", "b.example\\:65535"]
        let bad = [
            "192.0.2.1\\:0", "192.0.2.1\\:65536", "192.0.2.1\\:", "\\:80", "[[::1]]", "[[a]:80]",
        ]
        try expectTaken(good, in: "tcp:a:80:bindAddress=", .client)
        try expectRefused(bad, in: "tcp:a:80:bindAddress=", .client)
        let string = "tcp:host=a:port=80:bindAddress=[[2001:db8::1]:80]"
        #expect(try canonical(string, .client) == string)
        #expect(
            try refusal("tcp:192.0.2.1:80:bindAddress=[[2001:db8::1]:80]", .client)?.message
                == "argument \"bindAddress\" of \"tcp\" is an IPv6 address, and the host is reached by IPv4"
        )
    }

    @Test("a time that no system can wait for is said to be too long")
    func longTime() throws {
        let message = try refusal("tcp:a:80:timeout=31536000000", .client)?.message
        #expect(message?.contains("is more than 2147483647") == true)
    }

    @Test("what looks like an address but is not one is refused")
    func numericHosts() throws {
        let bad = [
            "127.1", "0x7f.1", "2130706433", "0x7f000001", "1.2.3.4.5", "256.1.1.1", "01.2.3.4",
            "1.2.3",
            "1.2.3.4.", "a.1", "a.0x1", "a.0x", "0",
        ]
        for host in bad {
            let error = try refusal("tcp:\(host):80", .client)
            #expect(
                error?.message.contains("looks like an IPv4 address but is not one") == true,
                "\(host)"
            )
            #expect(error?.column == 5)
        }
    }

    @Test("an IPv6 literal is what inet_pton takes, with or without a zone")
    func literals() throws {
        let good = ["::", "::1", "2001:db8::1", "::ffff:192.0.2.1", "fe80::1%eth0", "fe80::1%2"]
        let bad = [
            "1::2::3", ":::", "g::1", "::1%", "fe80::1%a/b", "fe80::1%sixteen-letters0", "1:2",
            "::1\0",
        ]
        try expectTaken(good, in: "tcp:[", after: "]:80", .client)
        try expectRefused(bad, in: "tcp:[", after: "]:80", .client)
        #expect(try refusal("tcp:[[::1]]:80", .client)?.hint == "did you mean [::1]?")
    }

    @Test("a path has 1 to 107 bytes, and no NUL but at its beginning")
    func path() throws {
        let longest = "/" + String(repeating: "é", count: 53)
        #expect(longest.utf8.count == 107)
        try expectTaken([longest, "a", " /a", "@a", "\0a", "./@a", "/a b"], in: "unix:", .client)
        try expectTaken([longest, "a"], in: "unix:", .server)
        let bad = [longest + "a", "a\0", "/a\0b", "\0", "@", "\0a\0", "@a\0"]
        try expectRefused(bad, in: "unix:", .client)
        try expectRefused(bad, in: "unix:path=", .server)
    }

    @Test("an argument given twice is refused, also by two of its names")
    func twice() throws {
        let cases: [(string: String, side: EndpointSide, message: String, column: Int)] = [
            ("tcp:80:backlog=1:backlog=2", .server, "\"backlog\" of \"tcp\" is given twice", 18),
            (
                "tcp:80:port=81", .server,
                "\"port\" of \"tcp\" is given twice, by its position and", 8
            ),
            (
                "tcp:port=81:80", .server,
                "\"port\" of \"tcp\" is given twice, by its position and", 13
            ),
            (
                "tcp:a:80:host=b", .client,
                "\"host\" of \"tcp\" is given twice, by its position and", 10
            ),
            (
                "unix:/a:path=/b", .client,
                "\"path\" of \"unix\" is given twice, by its position and", 9
            ),
            (
                "unix:/a:lockfile=1:checkPID=1", .client,
                "\"checkPID\" of \"unix\" is given twice, as \"lockfile\" and as \"checkPID\"", 20
            ),
            (
                "unix:address=/a:path=/a", .server,
                "\"address\" of \"unix\" is given twice, as \"address\" and as \"path\"", 17
            ),
        ]
        for (string, side, message, column) in cases {
            let error = try refusal(string, side)
            #expect(error?.message.contains(message) == true, "\(string)")
            #expect(error?.column == column, "\(string)")
        }
    }

    @Test("too many arguments are called that")
    func tooMany() throws {
        for string in ["tcp:h:80:x", "unix:/a:/b", "terminal:x"] {
            #expect(
                try refusal(string, .client)?.message.hasPrefix("too many arguments") == true,
                "\(string)"
            )
        }
        #expect(try refusal("tcp:1::1:x", .server)?.column == 10)
        #expect(
            try refusal("terminal::", .client)?.message
                == "too many arguments for \"terminal\"; without a name it takes none"
        )
    }

    @Test("an unknown name is answered with the known ones and the nearest")
    func unknown() throws {
        let error = try refusal("unix:/a:mod=660", .server)
        #expect(
            error?.message
                == "unknown argument \"mod\" of \"unix\"; expected one of address, path, mode, backlog, "
                + "lockfile, user, group"
        )
        #expect(error?.hint == "did you mean \"mode\"?")
        #expect(error?.column == 9)
        #expect(
            try refusal("terminal:a=b", .client)?.message
                == "unknown argument \"a\" of \"terminal\"; it has none"
        )
        #expect(
            try refusal("unix:/a=b", .client)?.hint == "an = that belongs to a text is written \\="
        )
    }

    @Test("with host= given, the one argument without a name is the client's port")
    func onePosition() throws {
        for kind in ["tcp", "tcp6"] {
            let expected = "\(kind):host=a:port=80"
            for rest in ["host=a:80", "80:host=a", "a:port=80", "port=80:a", "a:80"] {
                #expect(try canonical("\(kind):\(rest)", .client) == expected)
            }
        }
        #expect(
            try refusal("tcp:a", .client)?.message.contains("needs the argument \"port\"") == true
        )
        #expect(
            try refusal("tcp:port=80", .client)?.message.contains("needs the argument \"host\"")
                == true
        )
    }

    @Test("tcp takes interface before backlog, tcp6 backlog before interface")
    func order() throws {
        #expect(
            try canonical("tcp:80:127.0.0.1:5", .server)
                == "tcp:port=80:interface=127.0.0.1:backlog=5"
        )
        #expect(
            try canonical("tcp6:80:5:127.0.0.1", .server)
                == "tcp6:port=80:backlog=5:interface=127.0.0.1"
        )
        #expect(try refusal("tcp6:80:127.0.0.1", .server)?.message.contains("\"backlog\"") == true)
    }

    @Test("tcp6 refuses an IPv4 literal as a client's host, and a bindAddress of another family")
    func families() throws {
        #expect(try refusal("tcp6:192.0.2.1:80", .client)?.column == 6)
        #expect(
            try refusal("tcp:[::1]:80:bindAddress=192.0.2.1", .client)?.message
                == "argument \"bindAddress\" of \"tcp\" is an IPv4 address, and the host is reached by IPv6"
        )
        #expect(try refusal("tcp:192.0.2.1:80:bindAddress=[::1]", .client)?.column == 18)
        #expect(try refusal("tcp:a:80:bindAddress=[::1]", .client) == nil)
        #expect(try refusal("tcp6:[::ffff:192.0.2.1]:80", .client)?.column == 6)
        #expect(
            try refusal("tcp:[::ffff:192.0.2.1]:80:bindAddress=192.0.2.2", .client) == nil
        )
    }

    @Test("what only the whole shows points at the argument to blame")
    func validation() throws {
        let key = try refusal("secure:a:443:privateKey=k.pem", .client)
        #expect(key?.message == "argument \"privateKey\" of \"secure\" needs a certificate")
        #expect(key?.column == 14)
        #expect(key?.hint == "give certificate= too")
        let bound = try refusal("secure:a:443:bindAddress=192.0.2.1:endpoint=[tcp:a:1]", .client)
        #expect(
            bound?.message == "argument \"bindAddress\" of \"secure\" belongs in the inner endpoint"
        )
    }

    @Test("socket options keep to what the kernel takes")
    func options() throws {
        try expectTaken(["1", "15", "32767"], in: "tcp:80:keepAlive=", .server)
        try expectRefused(["0", "0.5", "1.5", "32768", ""], in: "tcp:80:keepAlive=", .server)
        try expectTaken(["0.001", "1", "2147483.647"], in: "tcp:a:80:userTimeout=", .client)
        try expectRefused(["0", "0.0015", "2147483.648"], in: "tcp:a:80:userTimeout=", .client)
    }
}
