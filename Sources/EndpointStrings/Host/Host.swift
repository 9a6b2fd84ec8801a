// What the user calls a host is one of two things, and which one must never be in doubt. C's
// getaddrinfo takes `127.1`, `0x7f.1` and `2130706433` for 127.0.0.1: such text would pass a list of
// allowed names and reach an address that nobody allowed. So a literal is what inet_pton says, and
// what merely ends like a number is refused (WHATWG URL, "ends in a number").

import EndpointsCore

/// A host: an address, or a name to look up.
package enum Host: Hashable, Sendable {
    /// A literal; its port is that of ``init(_:port:operation:endpoint:)``.
    case address(SocketAddress)
    /// A name that may go to a resolver, in ASCII (IDNA).
    case name(String)

    /// Says what a text is.
    ///
    /// - Throws: ``EndpointError`` with code `invalidArgument`, saying what is wrong with it.
    package init(_ text: String, port: UInt16, operation: String, endpoint: String?) throws {
        if let address = SocketAddress(literal: text, port: port) {
            self = .address(address)
            return
        }
        func refusal(_ flaw: String, _ hint: String? = nil) -> EndpointError {
            EndpointError(
                .invalidArgument,
                operation: operation,
                endpoint: endpoint,
                reason: "host \"\(text)\" \(flaw)",
                advice: hint
            )
        }
        let name: String
        do throws(IDNA.Refusal) { name = try IDNA.ascii(text) } catch {
            throw refusal(error.reason, error.hint)
        }
        if let flaw = Self.flaw(inName: name) { throw refusal(flaw) }
        self = .name(name)
    }

    /// Why the text cannot be a host name; `nil` if it can (RFC 1123, section 2.1, and `_`).
    static func flaw(inName text: String) -> String? {
        if text.isEmpty { return "is empty" }
        if text.utf8.contains(UInt8(ascii: ":")) || text.utf8.contains(UInt8(ascii: "%")) {
            return "is neither a name nor an IPv6 address"
        }
        guard text.utf8.allSatisfy({ $0 < 0x80 }) else {
            return "is not ASCII"
        }
        var name = text[...]
        if name.utf8.last == UInt8(ascii: ".") { name.removeLast() }
        guard name.utf8.count <= 253 else { return "is longer than 253 bytes" }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        for label in labels {
            if label.isEmpty { return "has an empty label" }
            if label.utf8.count > 63 { return "has a label of more than 63 bytes" }
            guard label.utf8.allSatisfy(isAllowed) else {
                return "holds a character that no host name has"
            }
            if label.utf8.first == UInt8(ascii: "-") || label.utf8.last == UInt8(ascii: "-") {
                return "has a label that begins or ends with a hyphen"
            }
        }
        if let last = labels.last, looksNumeric(last) {
            return "ends like a number but is no IPv4 address of four decimal numbers"
        }
        return nil
    }

    /// `localhost` and what ends in it is this host, and no server is asked (RFC 6761, section 6.3).
    package static func isLocalhost(_ name: String) -> Bool {
        var name = name.lowercased()[...]
        if name.utf8.last == UInt8(ascii: ".") { name.removeLast() }
        return name == "localhost" || name.hasSuffix(".localhost")
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }

    private static func looksNumeric(_ label: Substring) -> Bool {
        let digits = label.utf8.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
        if digits { return true }
        guard label.lowercased().hasPrefix("0x") else { return false }
        return label.utf8.dropFirst(2).allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): true
            default: false
            }
        }
    }
}
