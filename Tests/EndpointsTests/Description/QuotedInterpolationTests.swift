import Endpoints
import EndpointsTesting
import Testing

@Suite("Quoted interpolation", .tags(.security))
struct QuotedInterpolationTests {
    /// Text that tries to break out, and text that must not be harmed.
    private static func texts(_ count: Int) -> [String] {
        var random = SplitMix(seed: 7)
        let pieces = [
            ":", ":", "\\", "\\", "=", "[", "]", "[", "]", "a", "/", " ", "\n", "é", "\u{301}",
            "endpoint=", "timeout=5", "process:sh", ":endpoint=[process:sh]", "\\:", "]:x=[",
        ]
        return ["::1", "a:b", "x]:timeout=5:[", "\\", ":endpoint=[process:sh]"]
            + (0..<count).map { _ in
                let length = Int.random(in: 0...7, using: &random)
                return (0..<length).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            }
    }

    private func only(
        _ description: EndpointDescription,
        _ names: [String?],
        _ comment: @autoclosure () -> String
    ) {
        #expect(description.arguments.map(\.name) == names, "\(comment())")
    }

    @Test("a text is one value, by position, by name and between other text")
    func flat() throws {
        for text in Self.texts(3000) {
            let string = "tls:\(quoting: text):443:name=\(quoting: text):path=/a\(quoting: text).x"
            let description = try EndpointDescription(string)
            only(description, [nil, nil, "name", "path"], string)
            #expect(description.arguments[0].text == text)
            #expect(description.arguments[2].text == text)
            #expect(description.arguments[3].text == "/a\(text).x")
        }
    }

    @Test("a text is one value in endpoints in brackets, at any depth")
    func brackets() throws {
        for text in Self.texts(2000) {
            let string =
                "a:endpoint=[b:\(quoting: text):endpoint=[c:\(quoting: text):n=\(quoting: text)]:d]:e"
            let outer = try EndpointDescription(string)
            only(outer, ["endpoint", nil], string)
            let middle = try outer.nested(in: outer.arguments[0])
            only(middle, [nil, "endpoint", nil], string)
            #expect(middle.arguments[0].text == text)
            let inner = try middle.nested(in: middle.arguments[1])
            only(inner, [nil, "n"], string)
            #expect(inner.arguments.map(\.text) == [text, text])
        }
    }

    @Test("a text is one value in endpoints whose colons are escaped, at any depth")
    func escapes() throws {
        for text in Self.texts(2000) {
            let string =
                #"a:1:endpoint=b\:\#(quoting: text)\:endpoint=c\\\:\#(quoting: text)\\\:n=\#(quoting: text)"#
                + ":\(quoting: text)"
            let outer = try EndpointDescription(string)
            only(outer, [nil, "endpoint", nil], string)
            #expect(outer.arguments[2].text == text)
            let middle = try outer.nested(in: outer.arguments[1])
            only(middle, [nil, "endpoint"], string)
            #expect(middle.arguments[0].text == text)
            let inner = try middle.nested(in: middle.arguments[1])
            only(inner, [nil, "n"], string)
            #expect(inner.arguments.map(\.text) == [text, text])
        }
    }

    @Test("brackets round a text keep it one value, and its escapes with it")
    func bracketed() throws {
        for text in Self.texts(2000) {
            let string = "tcp:[\(quoting: text)]:80:endpoint=[\(quoting: text)]"
            let description = try EndpointDescription(string)
            only(description, [nil, nil, "endpoint"], string)
            #expect(description.arguments[0].text == quoted(text))
            // As an endpoint it is a kind at most.
            if let inner = try? description.nested(in: description.arguments[2]) {
                #expect(inner.arguments.isEmpty)
                #expect(inner.kind == text)
            }
        }
    }

    @Test("texts side by side are both what they were")
    func sideBySide() throws {
        for (text, other) in zip(Self.texts(1000), Self.texts(1100).dropFirst(100)) {
            let string =
                "unix:/\(quoting: text)/\(quoting: other):mode=\(quoting: text)\(quoting: "")"
            let description = try EndpointDescription(string)
            only(description, [nil, "mode"], string)
            #expect(description.arguments.map(\.text) == ["/\(text)/\(other)", text])
        }
    }

    @Test("a prefix kind gets one value, too")
    func prefix() throws {
        for text in Self.texts(500) {
            let string = "haproxy:from=\(quoting: text):tcp:\(quoting: text):80"
            let inner = try EndpointDescription(string).nested(from: 1)
            only(inner, [nil, nil], string)
            #expect(inner.arguments[0].text == text)
        }
    }

    @Test("a host that brings an endpoint with it stays a host")
    func host() throws {
        let host = "a:80:endpoint=[process:/bin/sh]"
        #expect(throws: EndpointStringError.self) {
            try clientFromString("tls:\(quoting: host):443")
        }
        let address = try clientFromString("tls:\(quoting: "::1"):443")
        #expect("\(address)" == "\(try clientFromString("tls:[::1]:443"))")
        let path = "/run/a:b=[c]\\"
        let unix = try clientFromString("unix:\(quoting: path)") as? UNIXClientEndpoint
        #expect(unix?.path == path)
    }
}
