// Quoting: text on its way into an endpoint string.
//
// Two forms give the same text back. Escapes cost a backslash for each special scalar, and double
// with each level of nesting; brackets cost two scalars at any depth, but the text inside must be
// such that its brackets match, read as the parser reads them. A text whose brackets do not match
// gets them escaped, so that whatever holds it can still be put into brackets.

import EndpointsCore

/// Escapes a text so that it stands for itself anywhere in an endpoint string.
///
/// `\`, `:` and `=` are escaped, `[` at the beginning, and all brackets of a text in which they do
/// not match. For every text and every place in a string, parsing gives the text back.
public func quoted(_ text: String) -> String {
    Quoting.escaped(text, alsoEquals: true).text
}

enum Quoting {
    /// The shortest form of a text after `name=`: as it is, with one escape, or in brackets.
    static func value(_ text: String) -> String {
        let (escaped, count) = escaped(text, alsoEquals: false)
        return count > 1 && hasMatchingBrackets(text) ? "[\(text)]" : escaped
    }

    /// The escaped text, and how many escapes it took.
    static func escaped(_ text: String, alsoEquals: Bool) -> (text: String, count: Int) {
        let (plain, count) = escaped(text, alsoEquals: alsoEquals, allBrackets: false)
        if hasMatchingBrackets(plain) { return (plain, count) }
        return escaped(text, alsoEquals: alsoEquals, allBrackets: true)
    }

    private static func escaped(
        _ text: String,
        alsoEquals: Bool,
        allBrackets: Bool
    ) -> (text: String, count: Int) {
        var view = String.UnicodeScalarView()
        var count = 0
        for scalar in text.unicodeScalars {
            let isSpecial =
                switch scalar {
                case "\\", ":": true
                case "=": alsoEquals
                case "[": allBrackets || view.isEmpty
                case "]": allBrackets
                default: false
                }
            if isSpecial {
                view.append("\\")
                count += 1
            }
            view.append(scalar)
        }
        return (String(view), count)
    }

    /// Whether a text in brackets would end where it ends.
    static func hasMatchingBrackets(_ text: String) -> Bool {
        var depth = 0
        var isEscaped = false
        for scalar in text.unicodeScalars {
            if isEscaped {
                isEscaped = false
                continue
            }
            switch scalar {
            case "\\": isEscaped = true
            case "[": depth += 1
            case "]": depth -= 1
            default: break
            }
            if depth < 0 { return false }
        }
        return depth == 0 && !isEscaped
    }
}
