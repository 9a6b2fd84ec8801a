import ArgumentParser
import Endpoints

struct KindsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kinds",
        abstract: "Lists the kinds of endpoints with their arguments.",
        discussion: "With --json a line each."
    )

    @OptionGroup var options: ToolOptions

    func run() throws {
        for side in [EndpointSide.server, .client] {
            for kind in options.registry.kinds(for: side) {
                let text = options.json ? kind.json.description : kind.text
                try LineOutput.standardOutput.write(text)
            }
        }
    }
}

extension EndpointKindDescription {
    /// The object that `kinds --json` writes.
    var json: JSONValue {
        .object([
            ("side", .string(side.rawValue)), ("kind", .string(kind)),
            ("summary", .string(summary)),
            ("arguments", .array(arguments.map(\.json))),
        ])
    }

    /// Several lines for people.
    var text: String {
        let rows = arguments.map { [$0.name, $0.need, "\($0.help) (\($0.expected))"] }
        return (["\(side.rawValue) \(kind): \(summary)"] + TextTable.lines(rows))
            .joined(separator: "\n")
    }
}

extension EndpointKindDescription.Argument {
    var json: JSONValue {
        .object([
            ("name", .string(name)), ("aliases", .array(aliases.map { .string($0) })),
            ("position", position.map { .integer($0) } ?? .null),
            ("required", .boolean(isRequired)), ("secret", .boolean(isSecret)),
            ("isRest", .boolean(isPrefixed)),
            ("type", .string(typeName)), ("expected", .string(expected)),
            ("choices", .array(choices.map { .string($0) })),
            ("default", defaultValue?.json ?? .null), ("help", .string(help)),
        ])
    }

    private var typeName: String {
        switch type {
        case .text: "text"
        case .number: "number"
        case .boolean: "boolean"
        case .endpoint(let side): "\(side.rawValue) endpoint"
        }
    }

    /// Whether it must be given, its place, and what it is otherwise.
    fileprivate var need: String {
        let place = isPrefixed ? "the rest" : position.map { "\($0 + 1)." } ?? "by name"
        if isRequired { return "\(place), required" }
        return "\(place), default \(defaultValue?.text ?? "none")"
    }
}
