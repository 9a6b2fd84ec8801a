import Endpoints
import Testing

/// The kind and the arguments of a string, names before an equals sign, each in angle brackets.
private func parts(_ string: String) throws -> String {
    let description = try EndpointDescription(string)
    let arguments = description.arguments.map { argument in
        argument.name.map { "<\($0)=\(argument.text)>" } ?? "<\(argument.text)>"
    }
    return "<\(description.kind)>" + arguments.joined()
}

@Suite("The grammar")
struct GrammarTests {
    @Test(
        "a string is cut at what is not escaped and not in brackets",
        arguments: [
            ("tcp:80", "<tcp><80>"),
            ("tcp", "<tcp>"),
            ("tcp:", "<tcp><>"),
            ("tcp:80:", "<tcp><80><>"),
            ("tcp::", "<tcp><><>"),
            ("a:b=c", "<a><b=c>"),
            // The first unescaped = splits; every later one is text.
            ("a:b=/c=d", "<a><b=/c=d>"),
            ("a:b==", "<a><b==>"),
            ("a:b=", "<a><b=>"),
            ("a:=b", "<a><=b>"),
            // \ takes away the meaning of whatever follows, and vanishes.
            ("a:\\:", "<a><:>"),
            ("a:\\\\", "<a><\\>"),
            ("a:b\\=c", "<a><b=c>"),
            ("a:\\x\\n", "<a><xn>"),
            ("a\\:b:c", "<a:b><c>"),
            ("a:b\\:c=d", "<a><b:c=d>"),
            ("a:b\\=c=d", "<a><b=c=d>"),
            // White space, quotes, commas and percents are text.
            ("a: b :\"c\":%41:d,e://f:$HOME:#g", "<a>< b ><\"c\"><%41><d,e><//f><$HOME><#g>"),
            // Brackets, where a text begins, keep what they hold as it stands.
            ("a:[b:c]:d", "<a><b:c><d>"),
            ("a:[]", "<a><>"),
            ("a:n=[b:c=d]", "<a><n=b:c=d>"),
            ("a:[b\\:c]", "<a><b\\:c>"),
            ("a:[b[c]d]", "<a><b[c]d>"),
            ("a:[b\\]c]", "<a><b\\]c>"),
            ("a:[[::1]:80]", "<a><[::1]:80>"),
            ("a:b[c", "<a><b[c>"),
            ("a:b]", "<a><b]>"),
            ("a:]", "<a><]>"),
            ("a:\\[b", "<a><[b>"),
            ("a:n=\\[b", "<a><n=[b>"),
            // Scalars, not characters.
            ("a:\u{301}b", "<a><\u{301}b>"),
            ("a\r\n:b", "<a\r\n><b>"),
            ("a:b\\\u{301}", "<a><b\u{301}>"),
            ("a:\0", "<a><\0>"),
            ("a:é:🇩🇪", "<a><é><🇩🇪>"),
        ]
    )
    func arguments(string: String, expected: String) throws {
        let found = try parts(string)
        #expect(Array(found.unicodeScalars) == Array(expected.unicodeScalars))
    }

    @Test(
        "what is no endpoint at all is refused with its place",
        arguments: [
            ("", 1, "the kind is empty"),
            (":", 1, "the kind is empty"),
            (":80", 1, "the kind is empty"),
            ("\\", 1, "nothing follows the \"\\\" at the end"),
            ("tcp:80\\", 7, "nothing follows the \"\\\" at the end"),
            ("port=80:tcp", 1, "an endpoint begins with its kind, not with an argument: \"port\""),
            ("=80", 1, "an endpoint begins with its kind, not with an argument: \"\""),
            ("[tcp:80]", 1, "an endpoint begins with its kind, not with a bracket"),
            ("tcp:[80", 5, "the \"[\" is never closed"),
            ("tcp:[80\\]", 5, "the \"[\" is never closed"),
            ("tcp:[80\\", 5, "the \"[\" is never closed"),
            ("tcp:[[80]", 5, "the \"[\" is never closed"),
            ("tcp:[80]x", 9, "after the closing \"]\" only \":\" or the end may come"),
            ("tcp:[80]=x", 9, "after the closing \"]\" only \":\" or the end may come"),
            ("tcp:[80]]", 9, "after the closing \"]\" only \":\" or the end may come"),
        ]
    )
    func refused(string: String, column: Int, message: String) {
        let error = #expect(throws: EndpointStringError.self) { try EndpointDescription(string) }
        #expect(error?.column == column)
        #expect(error?.message == message)
        #expect(error?.string == string)
    }

    @Test("arguments know their places")
    func places() throws {
        let description = try EndpointDescription("é:a:n=b:n=[c]:\\:d")
        #expect(description.kindColumn == 1)
        #expect(description.arguments.map(\.column) == [3, 5, 9, 15])
        #expect(description.arguments.map(\.textColumn) == [3, 7, 12, 15])
        #expect(description.arguments.map(\.position) == [0, nil, nil, 1])
        #expect(description.arguments.map(\.isBracketed) == [false, false, true, false])
    }

    @Test("the remainder is the text as it was written")
    func remainder() throws {
        let string = "prefix:from=1:unix:/a\\=b:[c]"
        let description = try EndpointDescription(string)
        #expect(description.description == string)
        #expect(description.remainder(from: 1) == "unix:/a\\=b:[c]")
        #expect(description.remainder(from: 0) == "from=1:unix:/a\\=b:[c]")
        #expect(description.remainder(from: 4) == "")
        #expect(description.remainder(from: -1) == "")
        #expect(try description.nested(from: 1).kind == "unix")
    }

    @Test("a nested endpoint's columns are those of the whole string")
    func nestedPlaces() throws {
        let escaped = try EndpointDescription("a:e=b\\:c\\:n=d")
        let inEscapes = try escaped.nested(in: escaped.arguments[0])
        #expect(inEscapes.arguments.map(\.column) == [8, 11])
        #expect(inEscapes.arguments.map(\.textColumn) == [8, 13])

        let bracketed = try EndpointDescription("a:e=[b:c:n=[d:e]]")
        let inBrackets = try bracketed.nested(in: bracketed.arguments[0])
        #expect(inBrackets.kindColumn == 6)
        #expect(inBrackets.arguments.map(\.column) == [8, 10])
        let deeper = try inBrackets.nested(in: inBrackets.arguments[1])
        #expect(deeper.arguments.map(\.column) == [15])
    }

    @Test("keywords may stand anywhere after the kind and use up no position")
    func keywordsAnywhere() throws {
        #expect(
            try canonical("tcp:interface=127.0.0.1:0", .server) == "tcp:port=0:interface=127.0.0.1"
        )
    }

    @Test("kinds are found in any case, and the sides have tables of their own")
    func kinds() throws {
        #expect(try canonical("TCP:80", .server) == "tcp:port=80")
        #expect(try canonical("Tcp6:a:80", .client) == "tcp6:host=a:port=80")
        #expect(try canonical("t\\cp:80", .server) == "tcp:port=80")
        #expect(
            try refusal("my:thing", .server)?.message == "\"my\" is a kind of client, not of server"
        )
        #expect(
            try refusal("mywrapper:[tcp:1]", .client)?.message
                == "\"mywrapper\" is a kind of server, not of client"
        )
    }

    @Test("names of arguments are found in their own case only")
    func names() throws {
        let error = try refusal("tcp:PORT=80", .server)
        #expect(error?.message.hasPrefix("unknown argument \"PORT\" of \"tcp\"") == true)
        #expect(error?.hint == "did you mean \"port\"?")
    }

    @Test(
        "quoted text stands for itself in every position",
        arguments: [
            "", "a", ":", "\\", "=", "[", "]", "[a]", "a]", "a[b", "[[", "]]", "\\]",
            "a:b=c\\d[e]f",
            "\u{301}", "\r\n", "\0", "🇩🇪", " a ", "[::1]",
        ]
    )
    func quoting(text: String) throws {
        try expectQuoted(text)
    }

    @Test("what is escaped is a backslash, a colon, an equals sign and a leading bracket")
    func quotes() {
        #expect(quoted("a:b=c\\d") == "a\\:b\\=c\\\\d")
        #expect(quoted("[a") == "\\[a")
        #expect(quoted("a[b]c") == "a[b]c")
        #expect(quoted("/run/app.sock") == "/run/app.sock")
    }
}

/// Checks that a text comes back from a position, a name's value, a name, and from one level down.
func expectQuoted(_ text: String) throws {
    let scalars = Array(text.unicodeScalars)
    let quote = quoted(text)
    let flat = try EndpointDescription("k:\(quote):n=\(quote):\(quote)=v")
    #expect(flat.arguments.count == 3)
    #expect(Array(flat.arguments[0].text.unicodeScalars) == scalars)
    #expect(flat.arguments[0].name == nil)
    #expect(Array(flat.arguments[1].text.unicodeScalars) == scalars)
    #expect(flat.arguments[2].name.map { Array($0.unicodeScalars) } == scalars)

    let inner = "k:\(quote):n=\(quote)"
    for outer in ["k:[\(inner)]", "k:\(quoted(inner))", "k:e=\(quoted(inner))"] {
        let description = try EndpointDescription(outer)
        let nested = try description.nested(in: description.arguments[0])
        #expect(nested.arguments.count == 2)
        #expect(Array(nested.arguments[0].text.unicodeScalars) == scalars)
        #expect(Array(nested.arguments[1].text.unicodeScalars) == scalars)
    }
}
