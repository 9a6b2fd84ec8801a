// Where a connection comes from, as text: an address or a name, and a port behind it if the kernel is
// not to choose one. `192.0.2.1:80`, `[2001:db8::1]:80`; without brackets the colons of an IPv6 address
// are its own.

import EndpointsCore

/// A local address or its name, with a port or without.
package struct LocalPlace: Sendable, Hashable {
    package var host: String
    /// 0 if the kernel is to choose it.
    package var port: UInt16 = 0

    /// Takes a text apart; what is not of these forms is all host.
    package init(_ text: String) {
        host = text
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { return }
        let digits = text[text.index(after: colon)...]
        let isNumber = digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isNumber, let port = UInt16(digits), port > 0 else { return }
        let front = text[..<colon]
        if front.hasPrefix("["), front.hasSuffix("]"), front.utf8.contains(UInt8(ascii: ":")) {
            host = String(front.dropFirst().dropLast())
        } else if !front.utf8.contains(UInt8(ascii: ":")), !front.isEmpty {
            host = String(front)
        } else {
            return
        }
        self.port = port
    }

    /// The text, with an IPv6 literal as RFC 5952 writes it.
    package static func canonical(_ text: String) -> String {
        let place = LocalPlace(text)
        let host = HostName.canonical(place.host)
        guard place.port > 0 else { return host }
        return place.host.utf8.contains(UInt8(ascii: ":"))
            ? "[\(host)]:\(place.port)" : "\(host):\(place.port)"
    }
}
