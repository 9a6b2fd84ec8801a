// DescriptionParser: one walk over the scalars, each looked at once.
//
// What is easy to get wrong: an escape works everywhere, also in kinds and names, and an escaped
// `=` does not make a name. A bracket counts only where a text begins, and what it encloses is not
// unescaped here: it belongs to the inner level. Inside brackets an escaped bracket is not counted,
// since it will not be one at the inner level either.

import EndpointsCore

/// Cuts one level of an endpoint string into arguments.
struct DescriptionParser {
    private let string: String
    private let source: SourceText
    private var index: Int
    private var isAtEnd = false

    init(_ source: SourceText, of string: String) {
        self.string = string
        self.source = source
        index = source.scalars.startIndex
    }

    /// Parses what must come first: a kind, not empty, without a name, not in brackets.
    mutating func parseKind() throws(EndpointStringError) -> EndpointDescription.Argument {
        let kind = try parseArgument(position: 0)
        if let name = kind.name {
            throw error(
                "an endpoint begins with its kind, not with an argument: \(shown(name))",
                at: kind.column,
                hint: "write KIND:\(shownRaw(kind))"
            )
        }
        if kind.isBracketed {
            let literal = HostName.family(ofLiteral: kind.text) == .ipv6
            throw error(
                "an endpoint begins with its kind, not with a bracket",
                at: kind.column,
                hint: literal
                    ? "did you mean tcp:\(source.text)?"
                    : "leave out the brackets round the whole"
            )
        }
        if kind.text.isEmpty {
            throw error("the kind is empty", at: kind.column, hint: hintForEmptyKind)
        }
        return kind
    }

    /// A string that begins with a colon may be `:80`, or `::1:80`.
    private var hintForEmptyKind: String? {
        let text = source.text
        if text.isEmpty || text.utf8.count > 200 { return nil }
        let parts = text.unicodeScalars.split(separator: ":", omittingEmptySubsequences: false)
            .map { String($0) }
        if let hint = DescriptionHint.forNoKind(parts, side: nil) { return hint }
        return DescriptionHint.forNoKind(Array(parts.dropFirst()), side: .server)
    }

    /// Parses what follows the kind, up to as many arguments as a level may have.
    ///
    /// - Returns: The arguments, and whether there are more.
    mutating func parseArguments() throws(EndpointStringError) -> (
        arguments: [EndpointDescription.Argument], isCut: Bool
    ) {
        var arguments: [EndpointDescription.Argument] = []
        var position = 0
        while !isAtEnd, arguments.count < EndpointDescription.maximumArgumentCount {
            let argument = try parseArgument(position: position)
            if argument.position != nil { position += 1 }
            arguments.append(argument)
        }
        return (arguments, !isAtEnd)
    }

    /// Parses the arguments up to the first that cannot be read, or that is too many.
    ///
    /// - Returns: The arguments, and the text from that one on.
    mutating func parseReadableArguments() -> (
        arguments: [EndpointDescription.Argument], unread: ArraySlice<SourceText.Scalar>
    ) {
        var arguments: [EndpointDescription.Argument] = []
        var position = 0
        while !isAtEnd {
            let start = index
            guard arguments.count < EndpointDescription.maximumArgumentCount,
                let argument = try? parseArgument(position: position)
            else { return (arguments, source.scalars[start...]) }
            if argument.position != nil { position += 1 }
            arguments.append(argument)
        }
        return (arguments, [])
    }

    /// Parses up to the next separator, and steps over that.
    private mutating func parseArgument(
        position: Int
    ) throws(EndpointStringError) -> EndpointDescription.Argument {
        let scalars = source.scalars
        let start = index
        var name: String?
        var textStart = index
        var unescaped: [SourceText.Scalar]?
        var bracketed: SourceText?

        scan: while index < scalars.endIndex {
            let scalar = scalars[index]
            switch scalar.value {
            case ":":
                break scan
            case "[" where index == textStart:
                bracketed = try parseBrackets()
                break scan
            case "\\":
                guard index + 1 < scalars.endIndex else {
                    throw error(
                        "nothing follows the \"\\\" at the end",
                        at: scalar.column,
                        hint: "a backslash that is meant is written \\\\"
                    )
                }
                if unescaped == nil { unescaped = Array(scalars[textStart..<index]) }
                unescaped?.append(scalars[index + 1])
                index += 2
            case "=" where name == nil:
                let text = unescaped.map { $0[...] } ?? scalars[textStart..<index]
                name = SourceText(text, endColumn: scalar.column).text
                unescaped = nil
                index += 1
                textStart = index
            default:
                unescaped?.append(scalar)
                index += 1
            }
        }

        let end = index
        let text = unescaped.map { $0[...] } ?? scalars[textStart..<end]
        let content = bracketed ?? SourceText(text, endColumn: column(at: end))
        if index < scalars.endIndex {
            index += 1
        } else {
            isAtEnd = true
        }
        return EndpointDescription.Argument(
            name: name,
            position: name == nil ? position : nil,
            column: column(at: start),
            textColumn: bracketed?.startColumn ?? column(at: textStart),
            isBracketed: bracketed != nil,
            content: content,
            range: start..<end
        )
    }

    /// Parses a text in brackets, and leaves the index at the separator after it.
    private mutating func parseBrackets() throws(EndpointStringError) -> SourceText {
        let scalars = source.scalars
        let open = index
        var depth = 0
        while index < scalars.endIndex {
            switch scalars[index].value {
            case "\\":
                index += 1
            case "[":
                depth += 1
            case "]":
                depth -= 1
            default:
                break
            }
            index += 1
            if depth > 0 { continue }

            let close = index - 1
            if index < scalars.endIndex, scalars[index].value != ":" {
                throw error(
                    "after the closing \"]\" only \":\" or the end may come",
                    at: scalars[index].column,
                    hint: "a text that truly begins with a bracket is written \\["
                )
            }
            return SourceText(scalars[(open + 1)..<close], endColumn: scalars[close].column)
        }
        throw error(
            "the \"[\" is never closed",
            at: scalars[open].column,
            hint: "a text that truly begins with a bracket is written \\["
        )
    }

    private func column(at index: Int) -> Int {
        index < source.scalars.endIndex ? source.scalars[index].column : source.endColumn
    }

    private func shownRaw(_ argument: EndpointDescription.Argument) -> String {
        let raw = SourceText(source.scalars[argument.range], endColumn: source.endColumn)
        return EndpointStringError.visible(raw.text, limit: 40)
    }

    private func error(_ message: String, at column: Int, hint: String?) -> EndpointStringError {
        EndpointStringError(string, column: column, message, hint: hint)
    }
}
