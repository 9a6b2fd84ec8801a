// Signs that are part of a name only beside letters of their script (RFC 5892, appendices A.3 to A.7): a
// dot in the middle of two others would make one name look like another. UTS #46 leaves these rules
// out, but no registry takes a name that breaks them (RFC 5891, section 4.2.3.3). The last two, of
// digits that look the same, are a part of what directions ask (RFC 5893, section 2, rule 4).
//
// The library tells no script of a scalar: those wanted here are known by their blocks.

import EndpointsCore

extension IDNA {
    /// Refuses a sign where its script does not have it.
    static func checkNeighbours(in label: [Unicode.Scalar]) throws(Refusal) {
        for (index, scalar) in label.enumerated() {
            let before = index > 0 ? label[index - 1] : nil
            let after = index + 1 < label.count ? label[index + 1] : nil
            let isInPlace =
                switch scalar {
                case "\u{B7}": before == "l" && after == "l"
                case "\u{375}": after.map(isGreek) ?? false
                case "\u{5F3}", "\u{5F4}": before.map(isHebrew) ?? false
                case "\u{30FB}": label.contains(where: isJapanese)
                default: true
                }
            if !isInPlace {
                throw Refusal(
                    reason: "has \"\(scalar)\" in it where it does not belong "
                        + "(RFC 5892, appendix A)"
                )
            }
        }
    }

    private static func isGreek(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x370...0x373, 0x375...0x377, 0x37A...0x3E1, 0x3F0...0x3FF, 0x1F00...0x1FFE: true
        default: false
        }
    }

    private static func isHebrew(_ scalar: Unicode.Scalar) -> Bool {
        (0x591...0x5F4).contains(scalar.value)
    }

    /// Whether it is Hiragana, Katakana or Han.
    private static func isJapanese(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x3041...0x3096, 0x309D...0x309F, 0x30A1...0x30FA, 0x30FD...0x30FF, 0x31F0...0x31FF,
            0x3005, 0x3007:
            true
        default: scalar.properties.isUnifiedIdeograph
        }
    }
}
