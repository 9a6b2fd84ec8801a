// HostName: the one rule of what a host may be, wherever a host comes from.
//
// The trap is text that looks like an address but is not one. getaddrinfo(3), and many a proxy, takes
// `127.1`, `0x7f.0.0.1` and `2130706433` for 127.0.0.1, so that a list of forbidden addresses can be
// talked round. So, after the URL standard (“ends in a number checker”): a name whose last label is a
// number must be a literal of inet_pton(3), or nothing. Names outside of ASCII must have an ASCII form
// (IDNA), of which all that is true as well.

#if canImport(Glibc)
import EndpointsCore
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Why a text cannot name a host, after the quoted text.
package struct HostNameError: Error, Hashable {
    package var reason: String
    package var hint: String?

    package init(reason: String, hint: String? = nil) {
        self.reason = reason
        self.hint = hint
    }
}

/// A host: an address literal, or a name to look up.
package enum HostName: Hashable, Sendable {
    /// An IPv4 address in dotted decimal, or an IPv6 address, perhaps with a zone (RFC 4007 §11).
    case literal(String, AddressFamily)
    /// A name in ASCII (IDNA).
    case name(String)

    /// Reads a host; nothing is looked up.
    package init(_ text: String) throws(HostNameError) {
        if let family = Self.family(ofLiteral: text) {
            self = .literal(text, family)
            return
        }
        self = .name(try Self.name(text))
    }

    /// The family of an address literal, as inet_pton(3) reads it; `nil` for anything else.
    package static func family(ofLiteral text: String) -> AddressFamily? {
        if text.utf8.count > 64 { return nil }
        if isAddress(text, AF_INET) { return .ipv4 }
        let parts = text.unicodeScalars.split(
            separator: "%",
            maxSplits: 1,
            omittingEmptySubsequences: false
        )
        guard let address = parts.first, isAddress(String(address), AF_INET6) else { return nil }
        return parts.count == 1 || isZone(parts[1]) ? .ipv6 : nil
    }

    /// The text, with an IPv6 literal as RFC 5952 writes it; the zone, which is a name, stays.
    package static func canonical(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: ":")), family(ofLiteral: text) == .ipv6 else {
            return text
        }
        let zone = text.utf8.firstIndex(of: UInt8(ascii: "%")) ?? text.endIndex
        let address = SocketAddress.canonical(ipv6: String(text[..<zone]))
        return address.map { $0 + text[zone...] } ?? text
    }

    private static func isAddress(_ text: String, _ family: Int32) -> Bool {
        // A NUL would end the C string early and hide what follows.
        if text.isEmpty || text.utf8.contains(0) { return false }
        return withUnsafeTemporaryAllocation(byteCount: 16, alignment: 8) { buffer in
            guard let address = buffer.baseAddress else { return false }
            return inet_pton(family, text, address) == 1
        }
    }

    /// An interface's name (at most IFNAMSIZ - 1 bytes) or its number.
    private static func isZone(_ zone: Substring.UnicodeScalarView) -> Bool {
        let text = String(zone)
        return (1...15).contains(text.utf8.count)
            && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") }
    }

    /// The name in ASCII.
    private static func name(_ text: String) throws(HostNameError) -> String {
        if text.isEmpty { throw HostNameError(reason: "is empty") }
        let scalars = text.unicodeScalars
        if scalars.contains(":") { throw notAnAddress(text) }

        let withoutDot = scalars.last == "." ? scalars.dropLast() : scalars[...]
        let labels = withoutDot.split(separator: ".", omittingEmptySubsequences: false)
        let isASCII = scalars.allSatisfy(\.isASCII)
        if isASCII, withoutDot.count > 253 {
            throw HostNameError(reason: "is longer than 253 bytes")
        }
        for label in labels { try check(label, isASCII: isASCII) }
        if !isASCII { return try name(outsideASCII: text) }
        if let last = labels.last, isNumber(last) {
            throw HostNameError(
                reason: "looks like an IPv4 address but is not one",
                hint: "an IPv4 address is four decimal numbers from 0 to 255, such as 192.0.2.1"
            )
        }
        return text
    }

    /// - Throws: ``HostNameError`` if the name has no ASCII form, or one that is no name.
    private static func name(outsideASCII text: String) throws(HostNameError) -> String {
        let ascii: String
        do throws(IDNA.Refusal) { ascii = try IDNA.ascii(text) } catch {
            throw HostNameError(reason: error.reason, hint: error.hint)
        }
        if family(ofLiteral: ascii) != nil {
            throw HostNameError(
                reason: "is another way to write an address",
                hint: "did you mean \(ascii)?"
            )
        }
        do throws(HostNameError) { return try name(ascii) } catch {
            var error = error
            error.reason += " when it is written in ASCII, as \"\(ascii)\""
            throw error
        }
    }

    private static func check(
        _ label: Substring.UnicodeScalarView,
        isASCII: Bool
    ) throws(HostNameError) {
        if label.isEmpty { throw HostNameError(reason: "has an empty label") }
        if isASCII, label.count > 63 {
            throw HostNameError(reason: "has a label longer than 63 bytes")
        }
        if label.first == "-" || label.last == "-" {
            throw HostNameError(reason: "has a label with \"-\" at its edge")
        }
        for scalar in label where !isAllowed(scalar) {
            let sign = EndpointStringError.visible(String(scalar))
            throw HostNameError(
                reason: scalar.properties.isWhitespace
                    ? "has white space in it" : "has \"\(sign)\" in it"
            )
        }
    }

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "-", "_":
            true
        default:
            !scalar.isASCII && !scalar.properties.isWhitespace
                && scalar.properties.generalCategory != .control
        }
    }

    /// Whether a label is digits, or `0x` and hexadecimal digits.
    private static func isNumber(_ label: Substring.UnicodeScalarView) -> Bool {
        let text = String(label).asciiLowercased.utf8
        if text.allSatisfy({ (0x30...0x39).contains($0) }) { return true }
        guard text.starts(with: "0x".utf8) else { return false }
        return text.dropFirst(2).allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
        }
    }

    private static func notAnAddress(_ text: String) -> HostNameError {
        let inner = text.unicodeScalars.drop { $0 == "[" }.prefix { $0 != "]" }
        if family(ofLiteral: String(inner)) == .ipv6 {
            return HostNameError(
                reason: "has brackets that belong to the text",
                hint: "did you mean [\(String(inner))]?"
            )
        }
        return HostNameError(reason: "is no IPv6 address, and a name has no \":\"")
    }
}
