// DescriptionHint: what was probably meant by a string that is no endpoint.
//
// People leave out the kind, write IPv6 addresses without escapes and paste URLs. Each of these
// fails as something else (an unknown kind, an empty host, too many arguments), so the guesses look
// at the whole description. They run only once a string was refused, and in linear time: an address
// has at most eight colons.

import EndpointsCore

/// Guesses at what a wrong string was meant to be.
enum DescriptionHint {
    /// For a string whose kind nobody knows: perhaps there is none.
    static func forUnknownKind(
        _ description: EndpointDescription,
        side: EndpointSide,
        kinds: [String]
    ) -> String? {
        if description.source.scalars.count > 200 { return nil }
        let whole = description.description
        if let hint = forURL(description) { return hint }
        let kind = description.kind
        let parts = [kind] + description.arguments.map { description.raw($0) }
        if let hint = forNoKind(parts, side: side) { return hint }
        if let name = Spelling.nearest(to: kind, among: kinds) {
            return meant(([name] + parts.dropFirst()).joined(separator: ":"))
        }
        let isHost = (try? HostName(kind)) != nil
        if isHost, parts.count > 1, isNumber(parts[1]) { return meant("tcp:\(whole)") }
        return nil
    }

    /// For a string that begins with a port, a path or an IPv6 address.
    ///
    /// - Parameters:
    ///   - parts: The raw texts between the colons.
    ///   - side: The side that the string was read for; `nil` if that is not known.
    /// - Returns: The hint; `nil` if it begins with none of these.
    static func forNoKind(_ parts: [String], side: EndpointSide?) -> String? {
        guard let first = parts.first else { return nil }
        let whole = parts.joined(separator: ":")
        if let hint = forAddress(parts), side != .server || !isNumber(first) { return hint }
        if isNumber(first) {
            return meant(side == .client ? "tcp:localhost:\(whole)" : "tcp:\(whole)")
        }
        let isPath = first.hasPrefix("/") || first.hasPrefix("./") || first.hasPrefix("@")
        return isPath ? meant("unix:\(whole)") : nil
    }

    private static func forAddress(_ parts: [String]) -> String? {
        guard var length = literalLength(parts[...]) else { return nil }
        // In `::1:80` the last group is as likely the port.
        if length == parts.count, literalLength(parts[..<(length - 1)]) == length - 1 {
            length -= 1
        }
        let address = parts[..<length].joined(separator: ":")
        let after = parts[length...].map { ":\($0)" }.joined()
        return meant("tcp:[\(address)]\(after)")
    }

    /// For a wrong argument: an IPv6 address that was cut up at its colons.
    ///
    /// - Parameters:
    ///   - description: What was refused.
    ///   - side: A server's first number is a port, and no part of an address.
    ///   - near: The argument that the address must touch.
    /// - Returns: The first argument that is a part of it, and how to write it.
    static func unescapedAddress(
        in description: EndpointDescription,
        side: EndpointSide,
        near: EndpointDescription.Argument? = nil
    ) -> (argument: EndpointDescription.Argument, hint: String)? {
        let arguments = description.arguments
        for start in arguments.indices where !arguments[start].isBracketed {
            let first = arguments[start]
            if side == .server, first.position == 0, isNumber(first.text) { continue }
            var parts = [first.text]
            for next in arguments[(start + 1)...].prefix(8) {
                if next.name != nil || next.isBracketed { break }
                parts.append(next.text)
            }
            guard var length = literalLength(parts[...]) else { continue }
            // In `::1:80` the last group is as likely the port.
            let isAtEnd = start + length == arguments.count && first.name == nil
            if side == .client, isAtEnd, isNumber(parts[length - 1]),
                literalLength(parts[..<(length - 1)]) == length - 1
            {
                length -= 1
            }
            if let near, !arguments[start..<(start + length)].contains(near) { continue }

            let address = parts[..<length].joined(separator: ":")
            let name = first.name.map { "\($0)=" } ?? ""
            let escaped = Quoting.escaped(address, alsoEquals: false).text
            return (first, "write \(name)[\(address)] or \(name)\(escaped)")
        }
        return nil
    }

    /// For a string with a `//` after a colon.
    static func forURL(_ description: EndpointDescription) -> String? {
        let arguments = description.arguments
        guard let first = arguments.first, first.name == nil, first.text.hasPrefix("//") else {
            return nil
        }
        let host = first.text.drop { $0 == "/" }.prefix { $0 != "/" }
        let port = arguments.dropFirst().first?.text.prefix { $0 != "/" } ?? "PORT"
        let shownHost = EndpointStringError.visible(String(host))
        let shownPort = EndpointStringError.visible(String(port))
        return "this is no URL: write tcp:\(shownHost):\(shownPort)"
    }

    /// For a text with white space round it.
    static func forSpace(_ text: String) -> String? {
        let isSpaced = text.first?.isWhitespace == true || text.last?.isWhitespace == true
        return isSpaced ? "white space is part of the text: leave it out" : nil
    }

    /// How many parts, joined with colons, make the longest IPv6 literal; `nil` if none does.
    private static func literalLength(_ parts: ArraySlice<String>) -> Int? {
        guard let first = parts.first, first.utf8.count <= 4,
            first.unicodeScalars.allSatisfy(\.properties.isASCIIHexDigit)
        else { return nil }
        let most = min(parts.count, 9)
        for length in stride(from: most, through: 3, by: -1) {
            let candidate = parts.prefix(length).joined(separator: ":")
            if HostName.family(ofLiteral: candidate) == .ipv6 { return length }
        }
        return nil
    }

    private static func meant(_ string: String) -> String {
        "did you mean \(EndpointStringError.visible(string, limit: 240))?"
    }

    private static func isNumber(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
}
