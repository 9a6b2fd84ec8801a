// `"tls:\(quoting: host):443"`: a text in an endpoint string that can never be more than a text.
//
// How much must be escaped depends on how often the text will be unescaped, that is, how deep the
// endpoint is nested in which it stands. In brackets the answer is once, at any depth: what a bracket
// encloses is handed to the inner level as it stands. The other way of nesting, by escaping the inner
// endpoint's colons (`endpoint=tcp\:h\:80`), takes a layer of escapes away at each level. So this looks
// at what has been written of the argument so far: as often as it unescapes to what begins with a kind
// and a colon, the text is escaped once more.

extension DefaultStringInterpolation {
    /// Inserts a text into an endpoint string as (a part of) one argument: `"tls:\(quoting: host):443"`.
    ///
    /// Whatever the text is, it adds no argument and no endpoint and ends none. It is for values, and
    /// not for the kind at the beginning of an endpoint: whoever chooses the kind chooses what is done.
    ///
    /// Nest with brackets: `"tls:h:443:endpoint=[tcp:\(quoting: host):80]"`. Put no brackets around the
    /// text itself: there its escapes would become part of the value. In an argument that begins like an
    /// endpoint with escaped colons, `endpoint=tcp\:`, the text is escaped once more.
    ///
    /// An argument may have a syntax of its own, such as lists with commas or the words of `process:`,
    /// and this quotes nothing there.
    ///
    /// - Parameter text: Any text.
    public mutating func appendInterpolation(quoting text: String) {
        var escaped = text
        for _ in 0...Quoting.depth(after: description) { escaped = quoted(escaped) }
        appendLiteral(escaped)
    }
}

extension Quoting {
    /// How many levels of escapes are around what comes next in an unfinished string.
    static func depth(after prefix: String) -> Int {
        var text = unfinishedText(of: Array(prefix.unicodeScalars))
        var depth = 0
        while !text.isEmpty {
            let inner = unescaped(text)
            guard beginsWithKind(inner) else { break }
            depth += 1
            text = unfinishedText(of: inner)
        }
        return depth
    }

    /// What there is of the argument that the string ends in, within the innermost open bracket.
    private static func unfinishedText(of string: [Unicode.Scalar]) -> ArraySlice<Unicode.Scalar> {
        // Where the text begins on each level of brackets, and brackets in it that only have to match.
        var levels = [(start: 0, hasName: false, openBrackets: 0)]
        var index = 0
        while index < string.count {
            let last = levels.count - 1
            switch string[index] {
            case "\\":
                index += 1
            case ":":
                levels[last].start = index + 1
                levels[last].hasName = false
            case "=" where !levels[last].hasName:
                levels[last].start = index + 1
                levels[last].hasName = true
            case "[" where index == levels[last].start:
                levels.append((index + 1, false, 0))
            case "[":
                levels[last].openBrackets += 1
            case "]" where levels[last].openBrackets > 0:
                levels[last].openBrackets -= 1
            case "]" where last > 0:
                levels.removeLast()
            default:
                break
            }
            index += 1
        }
        return string[min(levels[levels.count - 1].start, string.count)...]
    }

    private static func unescaped(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
        var plain: [Unicode.Scalar] = []
        var isEscaped = false
        for scalar in text {
            if scalar == "\\", !isEscaped {
                isEscaped = true
            } else {
                plain.append(scalar)
                isEscaped = false
            }
        }
        return plain
    }

    private static func beginsWithKind(_ text: [Unicode.Scalar]) -> Bool {
        guard let end = text.firstIndex(of: ":"), end > 0 else { return false }
        return text[..<end].allSatisfy { scalar in
            scalar.isASCII
                && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil
                    || scalar == "-" || scalar == "+" || scalar == ".")
        }
    }
}
