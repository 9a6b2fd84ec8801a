// Properties that hold for every string and every endpoint, tried on random ones. The generator is
// seeded: a failure names its seed and can be had again.

import Endpoints
import Testing

extension SplitMix {
    fileprivate mutating func pick<T>(_ choices: [T]) -> T {
        choices[Int.random(in: choices.indices, using: &self)]
    }

    fileprivate mutating func chance(_ n: Int) -> Bool { Int.random(in: 0..<n, using: &self) == 0 }

    /// A text of the scalars that matter to the grammar, and some that must not.
    fileprivate mutating func text(
        upTo length: Int,
        from scalars: [Unicode.Scalar] = SplitMix.special
    ) -> String {
        var view = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...length, using: &self) { view.append(pick(scalars)) }
        return String(view)
    }

    fileprivate static let special: [Unicode.Scalar] = [
        ":", ":", "\\", "\\", "=", "[", "[", "]", "]", "a", "8", " ", "\r", "\n", "\0", "\u{301}",
        "é",
        "\u{1F1E9}", "/", "@", "%", ",",
    ]

    fileprivate mutating func path() -> String {
        let scalars = Self.special.filter { $0 != "\0" }
        return "/" + text(upTo: 12, from: scalars)
    }

    fileprivate mutating func host() -> String {
        pick([
            "a", "example.com", "::1", "fe80::1%eth0", "192.0.2.1", "bücher.example", "a_b.",
            "2001:db8::1",
        ])
    }

    fileprivate mutating func spelling() -> String {
        chance(2) ? host() : pick(["0:0:0:0:0:0:0:1", "::FFFF", "2001:0DB8::0:1", "FE80::0%eth0"])
    }

    fileprivate mutating func options() -> TCPOptions {
        var options = TCPOptions()
        if chance(3) { options.noDelay = false }
        if chance(3) { options.keepAlive = .seconds(Int.random(in: 1...32_767, using: &self)) }
        if chance(3) {
            options.userTimeout = .milliseconds(Int.random(in: 1...9_999_999, using: &self))
        }
        options.reusePort = chance(3)
        options.multipath = chance(3)
        options.fastOpen = chance(3)
        return options
    }

    fileprivate mutating func duration() -> Duration {
        Duration(
            secondsComponent: Int64.random(in: 0...4_000_000, using: &self),
            attosecondsComponent: pick([
                1, 500_000_000_000_000_000, 999_999_999_999_999_999, 120_000,
            ])
        )
    }

    fileprivate mutating func client(depth: Int) -> any ClientEndpoint {
        switch Int.random(in: 0..<(depth > 0 ? 6 : 3), using: &self) {
        case 0:
            var endpoint = TCPClientEndpoint(
                host: spelling(),
                port: .random(in: 1...UInt16.max, using: &self)
            )
            endpoint.options = options()
            if chance(2) { endpoint.timeout = duration() }
            return endpoint
        case 1:
            var endpoint = UNIXClientEndpoint(path: path())
            endpoint.checkPID = chance(2)
            return endpoint
        case 2:
            return Terminal()
        case 3:
            var endpoint = SendingPrefix()
            endpoint.endpoint = client(depth: depth - 1)
            return endpoint
        default:
            var endpoint = Secure()
            endpoint.host = host()
            endpoint.port = .random(in: 1...UInt16.max, using: &self)
            endpoint.certificate = chance(2) ? nil : path()
            endpoint.level = pick([.none, .request, .require])
            endpoint.protocols = chance(2) ? [] : ["h2", "http/1.1"]
            endpoint.endpoint = chance(4) ? nil : client(depth: depth - 1)
            return endpoint
        }
    }

    fileprivate mutating func server(depth: Int) -> any ServerEndpoint {
        switch Int.random(in: 0..<(depth > 0 ? 6 : 4), using: &self) {
        case 0:
            var endpoint = TCPServerEndpoint(port: .random(in: 0...UInt16.max, using: &self))
            endpoint.interface = chance(2) ? "" : spelling()
            endpoint.options = options()
            return endpoint
        case 1:
            return TCP6ServerEndpoint(port: 1, interface: chance(2) ? "" : spelling(), backlog: 7)
        case 2:
            return UNIXServerEndpoint(
                path: path(),
                mode: .random(in: 0...0o777, using: &self),
                lockfile: chance(2)
            )
        case 3:
            return Terminal()
        case 4:
            var endpoint = Prefix()
            endpoint.from = chance(2) ? [] : ["192.0.2.1", "::1"]
            endpoint.endpoint = server(depth: depth - 1)
            return endpoint
        default:
            var endpoint = MyWrapper()
            endpoint.endpoint = server(depth: depth - 1)
            return endpoint
        }
    }
}

@Suite("Properties of endpoint strings")
struct StringPropertyTests {
    @Test("quoting and parsing any text gives it back, wherever it stands")
    func quoting() throws {
        var random = SplitMix(seed: 1)
        for _ in 0..<2_000 { try expectQuoted(random.text(upTo: 12)) }
    }

    @Test("printing and parsing any endpoint gives an equal one")
    func printing() throws {
        var random = SplitMix(seed: 2)
        for round in 0..<1_000 {
            let client = random.client(depth: round % 6)
            let parsed = try clientFromString("\(client)", in: .test)
            #expect("\(parsed)" == "\(client)")
            let server = random.server(depth: round % 6)
            #expect("\(try serverFromString("\(server)", in: .test))" == "\(server)")
            let explained = try EndpointRegistry.test.explain("\(server)", as: .server)
            #expect(explained.canonical == "\(server)")
        }
    }

    @Test("a value made in code comes back equal")
    func values() throws {
        var random = SplitMix(seed: 3)
        for _ in 0..<500 {
            switch random.client(depth: 0) {
            case let endpoint as TCPClientEndpoint:
                #expect(try clientFromString("\(endpoint)") as? TCPClientEndpoint == endpoint)
            case let endpoint as UNIXClientEndpoint:
                #expect(try clientFromString("\(endpoint)") as? UNIXClientEndpoint == endpoint)
            default: break
            }
        }
    }

    @Test("an endpoint nested as deep as may be prints in a length near to its parts'")
    func noBlowUp() throws {
        var endpoint: any ServerEndpoint = UNIXServerEndpoint(path: "/a]:b[\\", lockfile: true)
        for _ in 0..<16 {
            var wrapper = MyWrapper()
            wrapper.endpoint = endpoint
            endpoint = wrapper
        }
        let string = "\(endpoint)"
        #expect(string.utf8.count < 600)
        #expect("\(try serverFromString(string, in: .test))" == string)
    }

    @Test("no text traps, and every error has a place in it", arguments: 0..<4)
    func fuzz(seed: UInt64) throws {
        var random = SplitMix(seed: seed &* 7919)
        let words = [
            "tcp", "tcp6", "unix", "secure", "prefix", "mywrapper", "terminal", "either", "my",
            "host=",
            "port=", "endpoint=", "interface=", "timeout=", "mode=", "from=", "80", "::1",
            "example.com",
            "[", "]", ":", ":", ":", ":", "\\", "\\:", "=", "//", "0.5", "/a", "@", "\u{301}", "\0",
        ]
        for _ in fuzzRounds(1_000) {
            var string = random.chance(3) ? random.text(upTo: 20) : ""
            for _ in 0..<Int.random(in: 0...14, using: &random) { string += random.pick(words) }
            try expectOrderly(string)
        }
    }

    @Test("a valid string with one scalar changed is read or refused in order")
    func mutations() throws {
        var random = SplitMix(seed: 4)
        for round in fuzzRounds(2_000) {
            var scalars = Array("\(random.server(depth: round % 4))".unicodeScalars)
            let place = Int.random(in: scalars.indices, using: &random)
            switch round % 3 {
            case 0: scalars.remove(at: place)
            case 1: scalars.insert(random.pick(SplitMix.special), at: place)
            default: scalars[place] = random.pick(SplitMix.special)
            }
            var view = String.UnicodeScalarView()
            view.append(contentsOf: scalars)
            try expectOrderly(String(view))
        }
    }

    /// What is read prints as what reads the same; what is refused says where and why.
    private func expectOrderly(_ string: String) throws {
        for side in EndpointSide.allCases {
            do {
                let printed = try canonical(string, side)
                if try canonical(printed, side) != printed { Issue.record("\(printed)") }
            } catch let error as EndpointStringError {
                let places = 1...(string.unicodeScalars.count + 1)
                let isOrderly =
                    error.string == string && places.contains(error.column)
                    && !error.message.isEmpty && error.description.contains("^")
                if !isOrderly { Issue.record("\(string.debugDescription): \(error)") }
            }
        }
    }
}

@Suite("Long strings", .timeLimit(.minutes(1)))
struct LongStringTests {
    /// Long enough that anything worse than linear would not end in time.
    static let strings: [String] = [
        String(repeating: "prefix:", count: 3_000) + "tcp:80",
        String(repeating: "prefix:", count: 5_000),
        String(repeating: "mywrapper:[", count: 2_500) + String(repeating: "]", count: 2_500),
        String(repeating: "mywrapper:endpoint=[", count: 1_000),
        "mywrapper:" + String(repeating: "[", count: 15_000),
        "mywrapper:[" + String(repeating: "[]", count: 10_000) + "]",
        "tcp:" + String(repeating: ":", count: 15_000),
        "tcp" + String(repeating: ":1", count: 10_000),
        "tcp" + String(repeating: ":fe80::1", count: 2_500),
        "secure" + String(repeating: ":endpoint=tcp", count: 2_500),
        "secure" + String(repeating: ":endpoint=tcp:1", count: 2_500),
        "secure" + String(repeating: ":endpoint=terminal:1", count: 2_500),
        "secure" + String(repeating: ":a=b", count: 5_000),
        "unix:" + String(repeating: "\\:", count: 10_000),
        "unix:" + String(repeating: "\\", count: 15_000),
        "unix:" + String(repeating: "\u{301}", count: 15_000),
        "tcp:" + String(repeating: "a.", count: 10_000) + ":80",
        "tcp:80:timeout=" + String(repeating: "9", count: 15_000),
        "unix:/a:mode=" + String(repeating: "0", count: 15_000),
        String(repeating: "a", count: 25_000),
        String(repeating: "1:", count: 10_000),
        "prefix:from=" + String(repeating: ",", count: 10_000) + ":tcp:80",
    ]

    @Test(
        "any long string is read or refused in time linear to its length",
        arguments: strings.indices
    )
    func linear(index: Int) throws {
        let string = Self.strings[index]
        for side in EndpointSide.allCases {
            do {
                _ = try canonical(string, side)
            } catch let error as EndpointStringError {
                #expect(error.description.utf8.count < 10_000)
            }
        }
    }

    @Test("any number of prefixes is refused at the seventeenth", arguments: [3_000, 500_000])
    func prefixes(count: Int) throws {
        let error = try refusal(String(repeating: "prefix:", count: count) + "tcp:80", .server)
        #expect(error?.message == "endpoints are nested more than 16 deep")
        #expect(error?.column == 17 * 7 + 1)
    }

    @Test("ten thousand endpoints in brackets are refused at the seventeenth")
    func brackets() throws {
        let open = "mywrapper:["
        let string = String(repeating: open, count: 10_000) + String(repeating: "]", count: 10_000)
        let error = try refusal(string, .server)
        #expect(error?.message == "endpoints are nested more than 16 deep")
        #expect(error?.column == 17 * open.count + 1)
    }

    /// What stands at the end would be an error of its own, if anybody came that far.
    @Test(
        "what comes after a thousand arguments is refused without being read",
        arguments: [
            ("tcp" + String(repeating: ":x", count: 1_001) + ":\\", "too many arguments"),
            ("tcp" + String(repeating: ":a=b", count: 1_001) + ":[", "unknown argument \"a\""),
            (String(repeating: "prefix:", count: 1_100) + "[", "nested more than 16 deep"),
        ]
    )
    func unread(string: String, message: String) throws {
        let error = try #require(try refusal(string, .server))
        #expect(error.message.contains(message))
    }

    @Test("a description has a thousand arguments at most, at any level")
    func argumentCount() throws {
        let most = EndpointDescription.maximumArgumentCount
        let full = try EndpointDescription("a" + String(repeating: ":", count: most))
        #expect(full.arguments.count == most)
        #expect(full.remainder(from: most - 1).isEmpty)

        let tooMany = "more than 1000 arguments"
        let over = String(repeating: ":b", count: most + 1)
        let error = #expect(throws: EndpointStringError.self) {
            try EndpointDescription("a\(over)")
        }
        #expect(error?.message.contains(tooMany) == true)
        let outer = try EndpointDescription("a:[b\(over)]")
        let inner = #expect(throws: EndpointStringError.self) {
            try outer.nested(in: outer.arguments[0])
        }
        #expect(inner?.message.contains(tooMany) == true)
    }
}
