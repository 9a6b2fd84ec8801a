import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Trusted sources")
struct TrustedSourcesTests {
    @Test(
        "a list trusts what it names and nothing else",
        arguments: [
            ("10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["11.0.0.0", "9.255.255.255", "::1"]),
            ("10.0.0.0/8", ["::ffff:10.1.2.3"], ["::ffff:11.0.0.0", "::10.1.2.3"]),
            ("192.0.2.1", ["192.0.2.1"], ["192.0.2.0", "192.0.2.2"]),
            ("192.0.2.128/25", ["192.0.2.128", "192.0.2.255"], ["192.0.2.127"]),
            ("0.0.0.0/0", ["203.0.113.9", "::ffff:203.0.113.9"], ["::", "2001:db8::1"]),
            ("::/0", ["::", "2001:db8::1"], ["203.0.113.9", "::ffff:203.0.113.9"]),
            ("::1,2001:db8::/33", ["::1", "2001:db8:7fff::"], ["2001:db8:8000::", "::2"]),
            ("::ffff:10.0.0.0/104", ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.0"]),
        ]
    )
    func matches(list: String, inside: [String], outside: [String]) throws {
        let sources = try TrustedSources(list)
        for address in inside { #expect(sources.contains(try ip(address, 1)), "\(address)") }
        for address in outside { #expect(!sources.contains(try ip(address, 1)), "\(address)") }
        #expect(!sources.contains(SocketAddress(path: "/run/a")))
    }

    @Test("\"unix\" trusts UNIX sockets")
    func unix() throws {
        let sources = try TrustedSources("10.0.0.0/8,unix")
        #expect(sources.contains(SocketAddress(path: "/run/a")))
        #expect(sources.contains(SocketAddress(path: "")))
        #expect(!sources.contains(SocketAddress(named: "standard input")))
        #expect(sources.contains(try ip("10.0.0.1", 1)))
        #expect(!(try TrustedSources("unix")).contains(try ip("10.0.0.1", 1)))
    }

    @Test(
        "a list prints as the canonical list",
        arguments: [
            ("10.0.0.0/8,::1,unix", "10.0.0.0/8,::1,unix"),
            ("192.0.2.1/32,2001:0DB8::/32", "192.0.2.1,2001:db8::/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"), ("0.0.0.0/0", "0.0.0.0/0"),
        ]
    )
    func prints(list: String, canonical: String) throws {
        let sources = try TrustedSources(list)
        #expect("\(sources)" == canonical)
        #expect(try TrustedSources(canonical) == sources)
    }

    private static func bitsBehind(_ entry: String, _ network: String) -> String {
        "\"\(entry)\" has bits set behind its prefix; write \(network)"
    }

    @Test(
        "a wrong entry is quoted and located",
        arguments: [
            ("", 0, "an empty entry; write an address, a prefix or \"unix\""),
            ("::1,", 4, "an empty entry; write an address, a prefix or \"unix\""),
            ("::1,10.1.2.3/8", 4, bitsBehind("10.1.2.3/8", "10.0.0.0/8")),
            ("::1/129", 0, "\"129\" is not a prefix length from 0 to 128"),
            ("10.0.0.0/33", 0, "\"33\" is not a prefix length from 0 to 32"),
            ("10.0.0.0/", 0, "\"\" is not a prefix length from 0 to 32"),
            ("10.0.0.0/+8", 0, "\"+8\" is not a prefix length from 0 to 32"),
            ("10.0.0.0/08", 0, "\"08\" is not a prefix length from 0 to 32"),
            ("10.0.0.0/8/8", 0, "\"8/8\" is not a prefix length from 0 to 32"),
            ("::1, unix", 4, "\" unix\" is not an IP address; put no spaces into the list"),
            ("UNIX", 0, "\"UNIX\" is not an IP address; did you mean \"unix\"?"),
            ("[::1]", 0, "\"[::1]\" is not an IP address; write it without brackets"),
            (
                "fe80::1%lo", 0,
                "\"fe80::1%lo\" is not an IP address; a zone cannot be matched; leave it out"
            ),
            ("::ffff:0:0/90", 0, bitsBehind("::ffff:0:0/90", "::ffc0:0:0/90")),
            (
                "localhost", 0,
                "\"localhost\" is not an IP address; names are not looked up; "
                    + "write an address, a prefix or \"unix\""
            ),
        ]
    )
    func wrong(list: String, offset: Int, message: String) {
        #expect {
            try TrustedSources(list)
        } throws: { error in
            "\(error)" == message && (error as? TrustedSources.ParseError)?.offset == offset
        }
    }
}
