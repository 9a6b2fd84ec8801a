// An explanation, as JSON and as text.

import Endpoints

extension EndpointExplanation {
    /// The object that `explain --json` writes, with what was checked if anything was asked for.
    func json(_ checks: [EndpointCheck]?) -> JSONValue {
        var members: [(name: String, value: JSONValue)] = [
            ("side", .string(side.rawValue)), ("kind", .string(kind)),
            ("arguments", Self.json(arguments)), ("canonical", .string(canonical)),
            ("defaults", Self.json(defaults)),
        ]
        let warnings = allWarnings
        if !warnings.isEmpty {
            members.append(("warnings", .array(warnings.map { .string($0) })))
        }
        if let checks { members.append(("checks", .array(checks.map(\.json)))) }
        return .object(members)
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

    /// Side and canonical string, on one line.
    var line: String { EndpointError.escapingControls("\(side.rawValue) \(canonical)") }

    /// Several lines for people: the endpoint, and each one in it under the name of its argument.
    var text: String {
        let lines =
            [canonical] + allWarnings.map { "warning: \($0)" } + paragraph(of: side.rawValue)
        return lines.map { EndpointError.escapingControls($0) }.joined(separator: "\n")
    }

    /// Its warnings and those of endpoints within, a phrase each that begins with the kind.
    var allWarnings: [String] {
        arguments.reduce(warnings.map { "\(kind): \($0)" }) { warnings, argument in
            guard case .endpoint(let inner) = argument.value else { return warnings }
            return warnings + inner.allWarnings
        }
    }

    /// What it is, its arguments and defaults, and the same of those in it.
    private func paragraph(of name: String, within outer: String = "") -> [String] {
        var lines = ["\(name), \(kind): \(summary)"] + Self.table(arguments)
        if !defaults.isEmpty { lines += ["defaults:"] + Self.table(defaults) }
        for argument in arguments {
            guard case .endpoint(let inner) = argument.value else { continue }
            let path = outer + argument.name
            lines += inner.paragraph(of: path, within: "\(path).")
        }
        return lines
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

extension EndpointCheck {
    var json: JSONValue {
        .object([("name", .string(name)), ("ok", .boolean(isOK)), ("message", .string(message))])
    }
}

extension [EndpointCheck] {
    /// Whether any of them stands in the way.
    var hasFailure: Bool { contains { !$0.isOK } }

    /// A line each.
    var lines: [String] {
        if isEmpty { return ["checks: there is nothing to check"] }
        return ["checks:"]
            + TextTable.lines(map { [$0.isOK ? "ok" : "FAILED", $0.name, $0.message] })
    }

    /// What failed, as the rest of a line.
    var summary: String {
        if !hasFailure { return "; checks: ok" }
        let failures = filter { !$0.isOK }.map { "\($0.name): \($0.message)" }
        return "; checks FAILED: \(failures.joined(separator: "; "))"
    }
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
