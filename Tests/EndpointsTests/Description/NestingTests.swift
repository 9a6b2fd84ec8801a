import Endpoints
import Testing

@Suite("Nested endpoints")
struct NestingTests {
    @Test(
        "a nested endpoint is escaped once a level, or in brackets",
        arguments: [
            "secure:a.example:443:endpoint=tcp\\:7.6.5.4\\:443",
            "secure:a.example:443:endpoint=[tcp:7.6.5.4:443]",
            "secure:a.example:443:endpoint=tcp\\:host=7.6.5.4\\:port=443",
        ]
    )
    func forms(string: String) throws {
        #expect(
            try canonical(string, .client)
                == "secure:host=a.example:port=443:endpoint=[tcp:host=7.6.5.4:port=443]"
        )
    }

    @Test("escapes double at the second level")
    func twoLevels() throws {
        let escaped =
            "secure:a.example:443:endpoint=secure\\:b.example\\:444\\:endpoint=tcp\\\\\\:c.example\\\\\\:445"
        let bracketed =
            "secure:a.example:443:endpoint=[secure:b.example:444:endpoint=[tcp:c.example:445]]"
        let expected =
            "secure:host=a.example:port=443:endpoint="
            + "[secure:host=b.example:port=444:endpoint=[tcp:host=c.example:port=445]]"
        #expect(try canonical(escaped, .client) == expected)
        #expect(try canonical(bracketed, .client) == expected)
    }

    @Test("one backslash is preferred to brackets")
    func oneBackslash() throws {
        #expect(
            try canonical("secure:a:443:endpoint=[unix:/run/a]", .client)
                == "secure:host=a:port=443:endpoint=unix\\:path=/run/a"
        )
    }

    @Test("an equals sign in a nested endpoint needs no escape")
    func equals() throws {
        #expect(
            try canonical("mywrapper:endpoint=tcp\\:port=80", .server)
                == "mywrapper:endpoint=tcp\\:port=80"
        )
    }

    @Test("a prefix hands on the rest as it stands")
    func prefix() throws {
        #expect(try canonical("prefix:unix:/a\\=b", .server) == "prefix:unix:address=/a=b")
        #expect(
            try canonical("prefix:prefix:from=a:mywrapper:[tcp:1]", .server)
                == "prefix:prefix:from=a:mywrapper:endpoint=tcp\\:port=1"
        )
        #expect(
            try canonical("mywrapper:[prefix:tcp:1:127.0.0.1]", .server)
                == "mywrapper:endpoint=[prefix:tcp:port=1:interface=127.0.0.1]"
        )
        #expect(try canonical("prefix:tcp:h:1", .client) == "prefix:tcp:host=h:port=1")
        #expect(try canonical("prefix:terminal:", .server) == "prefix:terminal:")
    }

    @Test(
        "sixteen levels are read and the seventeenth is refused",
        arguments: [("prefix:", ""), ("mywrapper:[", "]")]
    )
    func depth(open: String, close: String) throws {
        func nested(_ depth: Int) -> String {
            String(repeating: open, count: depth) + "tcp:80"
                + String(repeating: close, count: depth)
        }
        #expect(try refusal(nested(16), .server) == nil)
        let error = try refusal(nested(17), .server)
        #expect(error?.message == "endpoints are nested more than 16 deep")
        #expect(error?.column == 17 * open.count + 1)
    }

    @Test(
        "the colons of a nested endpoint must be escaped, and the hint shows how",
        arguments: [
            (
                "secure:a.example:443:endpoint=tcp:b.example:443",
                "write endpoint=[tcp:b.example:443] or endpoint=tcp\\:b.example\\:443"
            ),
            (
                "secure:endpoint=unix:/run/a:host=a:port=1",
                "write endpoint=[unix:/run/a] or endpoint=unix\\:/run/a"
            ),
            (
                "secure:a:443:endpoint=secure:b:444:endpoint=tcp:c:445",
                "write endpoint=[secure:b:444] or endpoint=secure\\:b\\:444"
            ),
        ]
    )
    func unescaped(string: String, hint: String) throws {
        let error = try refusal(string, .client)
        #expect(
            error?.message.contains("the colons of the nested endpoint are not escaped") == true
        )
        #expect(error?.hint == hint)
    }

    @Test("so must those of one given by its position")
    func unescapedPosition() throws {
        #expect(try refusal("mywrapper:tcp:0", .server)?.hint == "write [tcp:0] or tcp\\:0")
    }

    @Test("a nested endpoint without arguments needs neither")
    func bare() throws {
        #expect(
            try canonical("secure:endpoint=terminal:a:443", .client)
                == "secure:host=a:port=443:endpoint=terminal\\:"
        )
    }

    @Test("an error inside of a nested endpoint points at its place in the whole")
    func innerErrors() throws {
        let bracketed = try refusal("secure:a:443:endpoint=[tcp:b:port=x]", .client)
        #expect(bracketed?.column == 35)
        #expect(
            bracketed?.message
                == "argument \"port\" of \"tcp\": \"x\" is not a port from 1 to 65535"
        )
        let escaped = try refusal("secure:a:443:endpoint=tcp\\:b\\:port=x", .client)
        #expect(escaped?.column == 36)
        let prefixed = try refusal("prefix:from=a:tcp:x", .server)
        #expect(prefixed?.column == 19)
    }

    @Test("a prefix's own arguments come before the inner kind, by name")
    func prefixArguments() throws {
        let unknown = try refusal("prefix:form=a:tcp:80", .server)
        #expect(
            unknown?.message
                == "unknown argument \"form\" of \"prefix\"; expected from or the endpoint"
        )
        #expect(unknown?.hint == "did you mean \"from\"?")
        #expect(try refusal("prefix:endpoint=tcp:80", .server)?.column == 8)
        #expect(try refusal("prefix:[tcp:80]", .server)?.hint == "leave out the brackets")
        #expect(
            try refusal("prefix:", .server)?.message
                == "\"prefix\" needs the argument \"endpoint\", a server's endpoint"
        )
    }
}
