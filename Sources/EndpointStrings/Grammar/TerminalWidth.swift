// How much room a terminal gives a scalar. Which are wide is a table of some hundred lines (UAX #11); here
// are its blocks, in which a few narrow signs are taken for wide ones. A cluster that is drawn as
// one sign (flags, emoji joined to each other) is not looked for: its scalars are added up.

import EndpointsCore

extension Unicode.Scalar {
    /// The columns it takes on a terminal: none, one or two.
    var terminalWidth: Int {
        if value < 0x300 { return 1 }
        switch properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        switch value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97C, 0xAC00...0xD7A3,
            0xF900...0xFAFF, 0xFE30...0xFE6B, 0xFF01...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18DFF,
            0x1AFF0...0x1B2FF, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1FAFF,
            0x20000...0x3FFFD:
            return 2
        // Vowels and finals of Hangul, drawn into the syllable before them.
        case 0x1160...0x11FF, 0xD7B0...0xD7FB: return 0
        default: return 1
        }
    }
}
