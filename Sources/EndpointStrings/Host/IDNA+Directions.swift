// Names with letters that are written from right to left (RFC 5893, section 2; CheckBidi of UTS #46).
// Where one stands, each label of the name must keep to one direction, or what is seen is not in the
// order of what is asked for.
//
// The standard library does not tell a character's Bidi_Class. But of letters, digits and marks, which
// names are made of, all are L, or NSM if they are marks, outside of five blocks; within these, all are
// R or AL, which the rule does not tell apart, but for the digits below (DerivedBidiClass, Unicode 17).
// The signs are of any class. They are refused in such a name, where the rule would let some stand
// within a label: nothing is accepted that it refuses.

import EndpointsCore

extension IDNA {
    private enum Direction {
        case left, right, number, arabicNumber, mark
        /// A hyphen, or a joiner: of no direction.
        case neutral
        /// What is not known here.
        case sign
    }

    /// Refuses a name in which a label does not keep to its direction.
    static func checkDirections(of labels: [[Unicode.Scalar]]) throws(Refusal) {
        guard labels.contains(where: { $0.contains(where: isRightToLeft) }) else { return }
        for label in labels where !label.isEmpty && !keepsDirection(label.map(direction)) {
            throw Refusal(
                reason: "has letters that are written from right to left, "
                    + "and a label that does not keep to one direction (RFC 5893)"
            )
        }
    }

    private static func keepsDirection(_ label: [Direction]) -> Bool {
        guard let first = label.first, let last = label.last(where: { $0 != .mark }) else {
            return false
        }
        let isRight = first == .right
        guard isRight || first == .left else { return false }
        if isRight, label.contains(.number), label.contains(.arabicNumber) { return false }
        let mayBeLast = last == first || last == .number || (isRight && last == .arabicNumber)
        return mayBeLast
            && label.allSatisfy { direction in
                switch direction {
                case .left: !isRight
                case .right, .arabicNumber: isRight
                case .number, .neutral, .mark: true
                case .sign: false
                }
            }
    }

    /// Whether it makes the name's direction a question: R, AL, AN, and the signs among them.
    private static func isRightToLeft(_ scalar: Unicode.Scalar) -> Bool {
        switch direction(scalar) {
        case .right, .arabicNumber: true
        case .sign: isInBlock(scalar)
        case .left, .number, .neutral, .mark: false
        }
    }

    private static func isInBlock(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x590...0x8FF, 0xFB1D...0xFDFF, 0xFE70...0xFEFF: true
        case 0x10800...0x10FFF, 0x1E800...0x1EFFF: true
        default: false
        }
    }

    private static func direction(_ scalar: Unicode.Scalar) -> Direction {
        switch scalar.value {
        case 0x30...0x39, 0x6F0...0x6F9, 0x102E1...0x102FB: return .number
        case 0x660...0x669, 0x66B...0x66C, 0x10D30...0x10D39, 0x10D40...0x10D49, 0x10E60...0x10E7E:
            return .arabicNumber
        case 0x2D, 0x5F, 0x200C, 0x200D: return .neutral
        // Hebrew's hyphen and the signs of abbreviation.
        case 0x5BE...0x5F4 where !isMark(scalar): return .right
        // Letters by their category, and of no direction.
        case 0x2B9...0x2BA, 0x2C6...0x2CF, 0x2EC, 0x2E2F, 0xA67F, 0xA717...0xA71F, 0xA788,
            0x10140...0x10174:
            return .sign
        // Marks by their category, and written from left to right.
        case 0xCBF, 0xCC6, 0x11A07...0x11A08, 0x11C3F: return .left
        default: break
        }
        if isMark(scalar) { return .mark }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
            .spacingMark, .decimalNumber, .letterNumber:
            return isInBlock(scalar) ? .right : .left
        case .otherNumber where isInBlock(scalar): return .right
        default: return .sign
        }
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: true
        default: false
        }
    }
}
