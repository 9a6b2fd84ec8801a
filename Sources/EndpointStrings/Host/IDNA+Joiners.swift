// Joiners, which nobody sees and which change how letters are drawn: allowed where they do so (RFC 5892,
// appendices A.1 and A.2; CheckJoiners of UTS #46). Both may stand behind a virama. The non-joiner may also
// part two letters that would join, as Persian does within words. Which letters join is known here for
// the Arabic block alone (DerivedJoiningType, Unicode 17), with which all who need it write.

import EndpointsCore

extension IDNA {
    /// Refuses a joiner that does nothing.
    static func checkJoiners(in label: [Unicode.Scalar]) throws(Refusal) {
        for (index, scalar) in label.enumerated()
        where scalar == "\u{200C}" || scalar == "\u{200D}" {
            let virama = Unicode.CanonicalCombiningClass.virama
            let before = index > 0 ? label[index - 1].properties.canonicalCombiningClass : nil
            if before == virama { continue }
            if scalar == "\u{200C}", partsLetters(at: index, of: label) { continue }
            throw Refusal(reason: "has a joiner in it that joins nothing")
        }
    }

    /// Whether the letters on both sides would join each other.
    private static func partsLetters(at index: Int, of label: [Unicode.Scalar]) -> Bool {
        guard let before = label[..<index].last(where: { !isTransparent($0) }),
            let after = label[(index + 1)...].first(where: { !isTransparent($0) })
        else { return false }
        return joining(before) == .both && joining(after) != nil
    }

    /// What joins sees through: Joining_Type T.
    private static func isTransparent(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: true
        default: false
        }
    }

    private enum Joining {
        case both
        /// To the letter before it only: Joining_Type R.
        case before
    }

    private static func joining(_ scalar: Unicode.Scalar) -> Joining? {
        switch scalar.value {
        case 0x622...0x625, 0x627, 0x629, 0x62F...0x632, 0x648, 0x671...0x673, 0x675...0x677,
            0x688...0x699, 0x6C0, 0x6C3...0x6CB, 0x6CD, 0x6CF, 0x6D2...0x6D3, 0x6D5, 0x6EE...0x6EF:
            .before
        case 0x621, 0x674: nil
        case 0x600...0x6FF: scalar.properties.generalCategory == .otherLetter ? .both : nil
        default: nil
        }
    }
}
