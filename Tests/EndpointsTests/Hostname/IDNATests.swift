import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("IDNA")
struct IDNATests {
    @Test(
        "a Unicode name has one ASCII form, however it is written",
        arguments: [
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.Example", "xn--bcher-kva.example"),
            ("bu\u{308}cher.example", "xn--bcher-kva.example"),
            ("bü\u{AD}cher.example", "xn--bcher-kva.example"),
            ("ｂüｃher．ｅxample", "xn--bcher-kva.example"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("例え｡テスト.", "xn--r8jz45g.xn--zckzah."),
            ("παράδειγμα.δοκιμή", "xn--hxajbheg2az3al.xn--jxalpdlp"),
            ("ΠΑΡΆΔΕΙΓΜΑ.ΔΟΚΙΜΉ", "xn--hxajbheg2az3al.xn--jxalpdlp"),
            ("пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"),
            ("faß.de", "xn--fa-hia.de"),
            ("FAẞ.de", "xn--fa-hia.de"),
            ("σόλος.gr", "xn--wxaijb9b.gr"),
            ("क्\u{200D}ष.example", "xn--11b2ezcw70k.example"),
            ("i❤.ws", "xn--i-7iq.ws"),
            ("_sip._tcp.bücher.example", "_sip._tcp.xn--bcher-kva.example"),
            ("xn--bcher-kva.bücher", "xn--bcher-kva.xn--bcher-kva"),
            ("İstanbul.example", "xn--istanbul-o0e.example"),
        ]
    )
    func names(name: String, expected: String) throws {
        #expect(try IDNA.ascii(name) == expected)
    }

    @Test("an ASCII name stays as it is, whatever it looks like")
    func plain() throws {
        for name in ["Example.COM", "xn--a", "a--b", "-", "", "a..b", "127.0.0.1", "xn--"] {
            #expect(try IDNA.ascii(name) == name)
        }
    }

    @Test(
        "what would have to be mapped in another way, or may not be in a name, is refused",
        arguments: [
            ("①.example\u{FC}", "U+2460"), ("\u{FB01}sh.example", "U+FB01"),
            ("a\u{202E}b.example", "U+202E"), ("a\u{E000}.example", "U+E000"),
            ("a\u{378}.example", "U+0378"), ("\u{301}a.example", "combining mark"),
            ("ab--ü.example", "third and fourth"), ("-ü.example", "edge"),
            ("a\u{200D}ü.example", "joiner"), ("xn--zz--9.ü.example", "Punycode"),
            ("\(String(repeating: "ü", count: 64)).example", "63 bytes"),
            ("a\u{2028}.example", "U+2028"), ("½.example", "U+00BD"),
            ("a\u{FFFD}.example", "U+FFFD"), ("\u{2FF0}.example", "U+2FF0"),
        ]
    )
    func refused(name: String, part: String) {
        let error = #expect(throws: IDNA.Refusal.self) { try IDNA.ascii(name) }
        #expect(error?.reason.contains(part) == true, "\(error?.reason ?? "")")
    }

    @Test(
        "a name in letters from right to left is taken if each label keeps to one direction",
        arguments: [
            // IANA's test domains, and what their letters take beside them.
            ("مثال.إختبار", "xn--mgbh0fb.xn--kgbechtv"),
            ("איקסמפל.טעסט.", "xn--4dbsjhots.xn--deba0ad."),
            ("מבחן.example", "xn--5dbmtg.example"),
            ("צה\u{5F4}ל.example", "xn--8dbq2a9c.example"),
            ("\u{5E2}1.example", "xn--1-0ic.example"),
            ("ab1.\u{5E9}\u{5DC}\u{5D5}\u{5DD}", "ab1.xn--9dbne9b"),
            ("\u{639}\u{661}.example", "xn--4gb4f.example"),
            ("\u{641}\u{6F1}.example", "xn--dhb66a.example"),
            ("xn--4db.\u{FC}", "xn--4db.xn--tda"),
        ]
    )
    func rightToLeft(name: String, expected: String) throws {
        #expect(try IDNA.ascii(name) == expected)
    }

    @Test(
        "a label that goes both ways is refused, beside letters from right to left (RFC 5893)",
        arguments: [
            // What each label begins with, holds, and ends with.
            "1.\u{5D0}\u{5D1}", "1\u{5D0}.example", "\u{661}.example", "_a.\u{5D0}",
            "a\u{5D0}.example", "\u{5D0}a.example", "\u{5D0}a\u{5D1}.example", "b\u{661}b.example",
            "b\u{627}b.example", "\u{5D0}.b_.example", "xn--4db.1\u{FC}",
            // Both kinds of digits.
            "\u{5D0}\u{661}1.example", "\u{627}\u{6F1}\u{661}.example",
            // Signs, whose direction is not known, and marks that have one.
            "\u{5D0}.a\u{2764}b", "a\u{61F}b.example", "\u{5D0}\u{CBF}.example",
            "\u{5D0}\u{2C6}\u{5D0}.example",
        ]
    )
    func bothDirections(name: String) {
        let error = #expect(throws: IDNA.Refusal.self) { try IDNA.ascii(name) }
        #expect(error?.reason.contains("RFC 5893") == true, "\(error?.reason ?? "")")
    }

    @Test(
        "a non-joiner stands behind a virama, or between letters that would join (RFC 5892, A.1)",
        arguments: [
            ("نامه\u{200C}ای.com", "xn--mgba3gch31f060k.com"),
            ("\u{628}\u{200C}\u{627}.example", "xn--mgbb899q.example"),
            ("\u{628}\u{64E}\u{200C}\u{627}.example", "xn--mgbb8i611i.example"),
            ("\u{627}\u{200C}\u{628}.example", nil), ("\u{628}\u{200C}.example", nil),
            ("\u{200C}\u{628}.example", nil), ("\u{628}\u{200C}\u{621}.example", nil),
            ("\u{628}\u{200D}\u{627}.example", nil), ("\u{628}\u{200C}1.example", nil),
        ] as [(String, String?)]
    )
    func nonJoiner(name: String, expected: String?) throws {
        if let expected {
            #expect(try IDNA.ascii(name) == expected)
        } else {
            let error = #expect(throws: IDNA.Refusal.self) { try IDNA.ascii(name) }
            #expect(error?.reason == "has a joiner in it that joins nothing")
        }
    }

    @Test(
        "a sign that only its script has stands beside letters of it (RFC 5892, A.3 to A.7)",
        arguments: [
            ("col\u{B7}lecció.cat", "xn--collecci-ioa91d.cat"), ("a\u{B7}b.example", nil),
            ("l\u{B7}.example", nil), ("\u{B7}l.example", nil), ("l\u{B7}a.example", nil),
            ("\u{375}α.example", "xn--wva4j.example"), ("α\u{375}.example", nil),
            ("\u{375}a.example", nil),
            ("א\u{5F3}.example", "xn--4db4e.example"), ("\u{5F3}א.example", nil),
            ("א\u{5F4}ב.example", "xn--4dbc8h.example"), ("\u{5F4}.example", nil),
            ("ア\u{30FB}イ.example", "xn--ccke4x.example"), ("a\u{30FB}b.example", nil),
            ("中\u{30FB}a.example", "xn--a-hjuv43i.example"), ("\u{30FB}.example", nil),
            ("\u{628}\u{660}.example", "xn--ngb6i.example"),
            ("\u{628}\u{6F0}.example", "xn--ngb41b.example"),
        ] as [(String, String?)]
    )
    func neighbours(name: String, expected: String?) throws {
        if let expected {
            #expect(try IDNA.ascii(name) == expected)
        } else {
            let error = #expect(throws: IDNA.Refusal.self) { try IDNA.ascii(name) }
            #expect(error?.reason.contains("RFC 5892") == true)
        }
    }

    @Test("hosts are resolved, asked for and verified by the ASCII form, and printed as given")
    func hosts() throws {
        let host = try Host("bücher.example", port: 1, operation: "connect", endpoint: nil)
        #expect(host == .name("xn--bcher-kva.example"))
        #expect(try ServerName("BÜCHER.example.").text == "xn--bcher-kva.example")
        let target = try ProxyTarget(host: "bücher.example", port: 1)
        #expect(target.host == .name("xn--bcher-kva.example"))
        let endpoint = try clientFromString("tcp:bücher.example:80")
        #expect("\(endpoint)" == "tcp:host=bücher.example:port=80")
    }

    @Test("the resolver is asked for the ASCII form")
    func resolver() async throws {
        let asked = Lock<Set<String>>([])
        struct Recorder: NameResolver {
            let asked: Lock<Set<String>>
            func addresses(
                of host: String,
                port: UInt16,
                family: AddressFamily
            ) async throws -> [SocketAddress] {
                asked.withLock { _ = $0.insert(host) }
                return []
            }
        }
        let context = EndpointContext(resolver: Recorder(asked: asked))
        let error = await #expect(throws: EndpointError.self) {
            try await clientFromString("tcp:bücher.example:80").connect(in: context)
        }
        #expect(error?.code == .nameNotFound)
        #expect(asked.withLock { $0 } == ["xn--bcher-kva.example"])
    }

    @Test(
        "a wrong name is refused when the string is read, with the column and the reason",
        arguments: [
            ("tcp:ﬁsh.example:80", 5, "has \"ﬁ\" in it (U+FB01)"),
            ("tcp:80:host=a\u{200D}ü", 13, "has a joiner in it"),
            ("tcp:１２７.0.0.1:80", 5, "is another way to write an address"),
            ("tcp:１２７.1:80", 5, "looks like an IPv4 address but is not one"),
            ("socks5:ü..a:1:proxy=[tcp:h:1]", 8, "has an empty label"),
        ]
    )
    func strings(string: String, column: Int, part: String) {
        let error = #expect(throws: EndpointStringError.self) { try clientFromString(string) }
        #expect(error?.column == column)
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
    }

    @Test("no text traps, and what comes out is ASCII that stays as it is")
    func fuzz() {
        var random = SplitMix(seed: 5890)
        let interesting: [Unicode.Scalar] = [
            ".", "-", "a", "A", "0", "ü", "Ü", "\u{308}", "\u{3002}", "\u{200C}", "\u{200D}",
            "\u{94D}", "\u{AD}", "\u{628}", "\u{64E}", "\u{661}", "ß", "ς", "Σ", "İ", "例",
            "\u{10FFFF}", "x", "n", "\u{5D0}",
        ]
        var accepted = 0
        for _ in 0..<20_000 {
            var name = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                if Bool.random(using: &random) {
                    let index = Int.random(in: 0..<interesting.count, using: &random)
                    name.append(interesting[index])
                } else if let any = Unicode.Scalar(UInt32.random(in: 0...0x2FFF, using: &random)) {
                    name.append(any)
                }
            }
            guard let ascii = try? IDNA.ascii(String(name)) else { continue }
            accepted += 1
            #expect(ascii.utf8.allSatisfy { $0 < 0x80 })
        }
        #expect(accepted > 100)
    }
}
