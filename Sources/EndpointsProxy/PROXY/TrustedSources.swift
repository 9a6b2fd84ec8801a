// Whose PROXY headers count: `from=10.0.0.0/8,::1,unix`.
//
// Matched against the socket's real peer, before a byte is read. On a dual-stack socket an IPv4
// peer arrives as ::ffff:a.b.c.d, so both the prefixes and the address are brought to one form
// first; otherwise 10.0.0.0/8 would let nobody in, and ::/0 everybody. `unix` stands for each UNIX
// socket, whose path's permissions have already said who may connect.
//
// Bits behind a prefix are refused: 10.1.2.3/8 means somebody's network or somebody's host, and
// only its author knows which.

import EndpointStrings
import EndpointsCore
import EndpointsNet

/// A list of those whose PROXY headers are believed.
public struct TrustedSources: Hashable, Sendable, CustomStringConvertible {
    private enum Source: Hashable {
        case unix
        /// An address of 4 or 16 bytes, and how many of its bits count.
        case prefix([UInt8], length: Int)
    }

    /// Why a list cannot be read.
    public struct ParseError: Error, Hashable, Sendable, CustomStringConvertible {
        /// What is wrong.
        public var message: String
        /// Where the wrong entry begins, in Unicode scalars from 0.
        public var offset: Int
        /// What to write instead, if that can be guessed.
        public var hint: String?
        /// Message and hint.
        public var description: String { message + (hint.map { "; \($0)" } ?? "") }
    }

    private var sources: [Source] = []

    /// Reads a list: addresses, prefixes (`10.0.0.0/8`, `2001:db8::/32`) and `unix`, with commas
    /// between them and no spaces.
    ///
    /// - Parameter text: At least one entry. Names are not looked up.
    /// - Throws: ``ParseError`` that quotes the wrong entry.
    public init(_ text: String) throws(ParseError) {
        var offset = 0
        for entry in text.split(separator: ",", omittingEmptySubsequences: false) {
            do {
                sources.append(try Self.source(entry))
            } catch {
                throw ParseError(message: error.message, offset: offset, hint: error.hint)
            }
            offset += entry.unicodeScalars.count + 1
        }
    }

    /// Whether headers that come from this address are believed.
    ///
    /// - Parameter address: The socket's own peer, not one that a header names.
    /// - Returns: `true` if an entry matches.
    public func contains(_ address: SocketAddress) -> Bool {
        let ip = address.ipBytes?.unmappedIP
        return sources.contains { source in
            switch source {
            case .unix:
                return address.isUNIX
            case .prefix(let prefix, let length):
                guard let ip, ip.count == prefix.count else { return false }
                return ip.keepingBits(length) == prefix
            }
        }
    }

    /// The list as it is written, addresses in their canonical form.
    public var description: String {
        sources.map { source in
            switch source {
            case .unix: "unix"
            case .prefix(let prefix, let length): Self.text(prefix, length)
            }
        }.joined(separator: ",")
    }

    private static func text(_ prefix: [UInt8], _ length: Int) -> String {
        let ip = SocketAddress(canonicalIP: prefix, port: 0)?.ip ?? ""
        return length == prefix.count * 8 ? ip : "\(ip)/\(length)"
    }

    private static func source(_ entry: Substring) throws(ParseError) -> Source {
        func wrong(_ message: String, hint: String? = nil) -> ParseError {
            ParseError(message: message, offset: 0, hint: hint)
        }
        if entry == "unix" { return .unix }
        guard !entry.isEmpty else {
            throw wrong("an empty entry", hint: "write an address, a prefix or \"unix\"")
        }
        let parts = entry.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddressScanner.bytes(of: parts[0]) else {
            throw wrong("\"\(parts[0])\" is not an IP address", hint: hint(parts[0]))
        }
        let width = address.count * 8
        guard parts.count == 2 else { return canonical(address, width) }
        guard let length = bitCount(parts[1]), length <= width else {
            throw wrong("\"\(parts[1])\" is not a prefix length from 0 to \(width)")
        }
        guard address.keepingBits(length) == address else {
            let network = text(address.keepingBits(length), length)
            throw wrong("\"\(entry)\" has bits set behind its prefix", hint: "write \(network)")
        }
        return canonical(address, length)
    }

    /// A mapped address whose prefix is shorter than the mapping has bits set behind it, and never
    /// comes here.
    private static func canonical(_ address: [UInt8], _ length: Int) -> Source {
        let plain = address.unmappedIP
        return .prefix(plain, length: length - (address.count - plain.count) * 8)
    }

    private static func bitCount(_ text: Substring) -> Int? {
        let isPlain = text.utf8.allSatisfy { $0.decimalDigit != nil } && !text.isEmpty
        let hasLeadingZero = text.count > 1 && text.hasPrefix("0")
        return isPlain && !hasLeadingZero ? Int(text) : nil
    }

    private static func hint(_ text: Substring) -> String {
        if text.contains("[") { return "write it without brackets" }
        if text.contains("%") { return "a zone cannot be matched; leave it out" }
        if text.lowercased() == "unix" { return "did you mean \"unix\"?" }
        if text.contains(where: \.isWhitespace) { return "put no spaces into the list" }
        return "names are not looked up; write an address, a prefix or \"unix\""
    }
}

extension [UInt8] {
    /// The first `count` bits, and zero for the rest.
    fileprivate func keepingBits(_ count: Int) -> [UInt8] {
        enumerated().map { index, byte in
            let kept = Swift.min(Swift.max(count - index * 8, 0), 8)
            return byte & ~UInt8(truncatingIfNeeded: 0xFF >> kept)
        }
    }
}
