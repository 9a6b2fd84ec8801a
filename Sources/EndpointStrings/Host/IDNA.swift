// Unicode host names as DNS, TLS and proxies want them: A-labels, `xn--` and Punycode (RFC 5891,
// UTS #46 without its transitional part, so that ß and ς are letters of their own).
//
// The mapping of UTS #46 is a table of thousands of lines. Most of it is the lower case and the
// composed form (NFC), and those the standard library knows; it also tells of each character whether
// the table (NFKC_Casefold) would change it. So what is mapped is case, composition, the full stops of
// East Asia, full-width ASCII, and what is ignored; a character that would have to be changed in any
// other way is refused, never passed on unmapped. No name thus gets to another host than the table
// would send it to.
//
// libidn2 would do all of it, and be one more library that everybody who uses this one must install,
// for names that few write; glibc loads it by itself for AI_IDN, but SNI and the certificate's name
// need the same answer.
//
// NFC is the one thing here that the library offers to its own packages only (`_Unicode`).

import EndpointsCore
@_spi(_Unicode) import Swift

/// Turns Unicode names into what name servers know.
package enum IDNA {
    /// Why a name has no ASCII form: after the name, as ``HostNameError/reason``.
    package struct Refusal: Error, Hashable {
        package var reason: String
        var hint: String?
    }

    private static let prefix = "xn--"

    /// The name in ASCII; one that is ASCII already stays as it is.
    ///
    /// What comes out may still be no host name: `１２７.1` becomes `127.1`.
    package static func ascii(_ name: String) throws(Refusal) -> String {
        if name.utf8.allSatisfy({ $0 < 0x80 }) { return name }
        // More bytes than any name has that could be short enough.
        guard name.utf8.count <= 4096 else { throw Refusal(reason: "is too long") }
        let mapped = try map(name)
        let labels = mapped.split(separator: ".", omittingEmptySubsequences: false)
        var result: [String] = []
        var written: [[Unicode.Scalar]] = []
        for label in labels {
            let encoded = try ascii(label: label)
            result.append(encoded)
            written.append(decoded(encoded) ?? Array(label))
        }
        try checkDirections(of: written)
        for label in written { try checkNeighbours(in: label) }
        return result.joined(separator: ".")
    }

    // MARK: mapping (UTS #46, section 4)

    private static func map(_ name: String) throws(Refusal) -> String.UnicodeScalarView {
        var mapped = String.UnicodeScalarView()
        for scalar in name.unicodeScalars {
            switch scalar {
            case "\u{3002}", "\u{FF0E}", "\u{FF61}": mapped.append(".")
            case "\u{FF01}"..."\u{FF5E}":
                let value = UInt8(truncatingIfNeeded: scalar.value - 0xFF00 + 0x20)
                mapped.append(contentsOf: lowercase(Unicode.Scalar(value)))
            case _ where isIgnored(scalar): continue
            case _ where scalar.properties.changesWhenNFKCCaseFolded:
                mapped.append(contentsOf: lowercase(scalar))
            default: mapped.append(scalar)
            }
        }
        let composed = String(mapped)._nfc
        var result = String.UnicodeScalarView()
        for scalar in composed {
            try check(scalar)
            result.append(scalar)
        }
        return result
    }

    /// Soft hyphens, variation selectors and the like, which nobody sees; joiners have a meaning.
    private static func isIgnored(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\u{AD}", "\u{200B}", "\u{2060}", "\u{FE00}"..."\u{FE0F}", "\u{FEFF}": true
        default: false
        }
    }

    private static func lowercase(_ scalar: Unicode.Scalar) -> String.UnicodeScalarView {
        scalar.properties.lowercaseMapping.unicodeScalars
    }

    private static func check(_ scalar: Unicode.Scalar) throws(Refusal) {
        if scalar.isASCII || isDeviation(scalar) { return }
        let properties = scalar.properties
        let code = String(scalar.value, radix: 16, uppercase: true)
        let number = "U+" + String(repeating: "0", count: max(0, 4 - code.utf8.count)) + code
        switch properties.generalCategory {
        case _ where isNoLetter(scalar), .control, .format, .privateUse, .surrogate, .unassigned,
            .spaceSeparator, .lineSeparator, .paragraphSeparator:
            throw Refusal(reason: "has a character in it that no host name has (\(number))")
        default: break
        }
        if properties.changesWhenNFKCCaseFolded || properties.isNoncharacterCodePoint {
            throw Refusal(
                reason: "has \"\(EndpointStringError.visible(String(scalar)))\" in it (\(number)), "
                    + "which host names write in another way",
                hint: "write it with plain letters, or as its xn-- form"
            )
        }
    }

    /// Signs that describe ideographs, and those that stand for what is missing.
    private static func isNoLetter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\u{2FF0}"..."\u{2FFF}", "\u{31EF}", "\u{FFFC}", "\u{FFFD}": true
        default: false
        }
    }

    /// What transitional processing changed once, and is valid now.
    private static func isDeviation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\u{DF}", "\u{3C2}", "\u{200C}", "\u{200D}": true
        default: false
        }
    }

    // MARK: labels (UTS #46, section 4.1)

    private static func ascii(label: Substring.UnicodeScalarView) throws(Refusal) -> String {
        let text = String(label)
        if label.allSatisfy(\.isASCII) {
            if text.hasPrefix(prefix), decoded(text) == nil {
                throw Refusal(reason: "has the label \"\(text)\" in it, which is no Punycode")
            }
            return text
        }
        try check(label: label)
        guard let encoded = Punycode.encode(label) else {
            throw Refusal(reason: "has a label that is too long")
        }
        guard prefix.utf8.count + encoded.utf8.count <= 63 else {
            throw Refusal(reason: "has a label longer than 63 bytes in its xn-- form")
        }
        return prefix + encoded
    }

    /// What a label in its xn-- form is written as; `nil` for any other.
    private static func decoded(_ label: String) -> [Unicode.Scalar]? {
        guard label.hasPrefix(prefix) else { return nil }
        let scalars = Punycode.decode(String(label.dropFirst(prefix.count)))
        return scalars?.allSatisfy(\.isASCII) == false ? scalars : nil
    }

    private static func check(label: Substring.UnicodeScalarView) throws(Refusal) {
        let scalars = Array(label)
        if scalars.first == "-" || scalars.last == "-" {
            throw Refusal(reason: "has a label with \"-\" at its edge")
        }
        if scalars.count > 3, scalars[2] == "-", scalars[3] == "-" {
            throw Refusal(reason: "has a label with \"--\" as its third and fourth characters")
        }
        switch scalars.first?.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark:
            throw Refusal(reason: "has a label that begins with a combining mark")
        default: break
        }
        try checkJoiners(in: scalars)
    }
}
