// EndpointStringError: what is wrong, and a caret under it.
//
// The caret must stand under the place also when the string holds a newline, a combining mark, an
// ideograph or a thousand scalars: controls are shown as one visible sign each, marks take no room,
// what East Asia writes takes that of two, and of a long string only the neighbourhood of the place is
// shown. Secrets are masked sign by sign (SecretMask).

import EndpointsCore

/// Why a string is no endpoint, and where.
public struct EndpointStringError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The string, whole, secrets included: what is shown is ``description``.
    public let string: String
    /// Where it is wrong: from 1, in Unicode scalars; one more than there are for what is missing.
    public let column: Int
    /// What is wrong, and what is allowed: one line, with the name of the argument.
    public let message: String
    /// What to write instead, where that can be guessed.
    public let hint: String?
    /// The string as it may be shown.
    private let masked: String

    init(
        _ string: String,
        column: Int,
        _ message: String,
        hint: String? = nil,
        masked: String? = nil
    ) {
        self.string = string
        self.column = column
        self.message = EndpointError.escapingControls(message)
        self.hint = hint.map { EndpointError.escapingControls($0) }
        self.masked = masked ?? string
    }

    /// The string with its secrets masked, a caret under the place, the message and the hint: a line
    /// each, control characters made visible.
    public var description: String {
        let (line, caret) = excerpt
        var text = "\(line)\n\(caret)^\n\(message)"
        if let hint { text += "\n\(hint)" }
        return text
    }

    /// The part of the string round the place, and the spaces that bring a caret under it.
    private var excerpt: (line: String, indentation: String) {
        let scalars = masked.unicodeScalars.map { Self.visible($0) }
        let place = min(max(column - 1, 0), scalars.count)
        let start = scalars.count > 240 ? max(0, place - 120) : 0
        let end = scalars.count > 240 ? min(scalars.count, start + 240) : scalars.count

        var line = String.UnicodeScalarView()
        var width = 0
        if start > 0 {
            line.append("…")
            width += 1
        }
        for index in start..<end {
            line.append(scalars[index])
            if index < place { width += scalars[index].terminalWidth }
        }
        if end < scalars.count { line.append("…") }
        return (String(line), String(repeating: " ", count: width))
    }

    /// Text for a message: controls made visible, cut to a length.
    static func visible(_ text: String, limit: Int = 80) -> String {
        var view = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(limit) { view.append(visible(scalar)) }
        let isCut = text.unicodeScalars.dropFirst(limit).isEmpty == false
        return String(view) + (isCut ? "…" : "")
    }

    private static func visible(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        switch scalar.value {
        case 0..<0x20:
            Unicode.Scalar(0x2400 + scalar.value) ?? "\u{FFFD}"
        case 0x7F:
            "\u{2421}"
        default:
            scalar.isControl ? "\u{FFFD}" : scalar
        }
    }
}

/// Text in a message: in quotes, controls made visible, cut.
package func shown(_ text: String) -> String {
    "\"\(EndpointStringError.visible(text))\""
}
