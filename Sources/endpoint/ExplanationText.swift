// An explanation, as JSON and as text.

import Endpoints

extension EndpointExplanation {
    /// The object that `explain --json` writes.
    var json: JSONValue {
        .object([
            ("side", .string(side.rawValue)), ("kind", .string(kind)),
            ("arguments", Self.json(arguments)), ("canonical", .string(canonical)),
            ("defaults", Self.json(defaults)),
        ])
    }

    /// A nested endpoint: what it is, without what the whole says already.
    private var nestedJSON: JSONValue {
        .object([("kind", .string(kind)), ("arguments", Self.json(arguments))])
    }

    private static func json(_ arguments: [Argument]) -> JSONValue {
        .object(arguments.map { ($0.name, json($0.value)) })
    }

    fileprivate static func json(_ value: Value) -> JSONValue {
        switch value {
        case .text(let text): .string(text)
        case .number(let numeral): .number(numeral)
        case .boolean(let value): .boolean(value)
        case .endpoint(let explanation): explanation.nestedJSON
        }
    }

    /// Side and canonical string.
    var line: String { "\(side.rawValue) \(canonical)" }

    /// Several lines for people.
    var text: String {
        var lines = [canonical, "\(side.rawValue), \(kind): \(summary)"]
        lines += Self.table(arguments)
        if !defaults.isEmpty { lines += ["defaults:"] + Self.table(defaults) }
        return lines.joined(separator: "\n")
    }

    private static func table(_ arguments: [Argument]) -> [String] {
        TextTable.lines(arguments.map { [$0.name, text($0.value), $0.help] })
    }

    fileprivate static func text(_ value: Value) -> String {
        switch value {
        case .text(let text): text.isEmpty ? "(empty)" : text
        case .number(let numeral): numeral
        case .boolean(let value): value ? "yes" : "no"
        case .endpoint(let explanation): explanation.canonical
        }
    }
}

extension EndpointExplanation.Value {
    var json: JSONValue { EndpointExplanation.json(self) }
    var text: String { EndpointExplanation.text(self) }
}

extension EndpointStringError {
    /// The object that stands in place of an explanation.
    var json: JSONValue {
        .object([
            (
                "error",
                .object([
                    ("message", .string(message)), ("column", .integer(column)),
                    ("hint", .optional(hint)),
                ])
            )
        ])
    }

    /// All of it but the caret, on one line.
    var line: String {
        let advice = hint.map { "; \($0)" } ?? ""
        return "error at column \(column): \(message)\(advice)"
    }
}
