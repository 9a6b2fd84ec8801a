// EndpointExplanation: what a string says and what a registry knows, as values for tools.

import EndpointsCore

/// What an endpoint string means: kind, arguments and defaults under their own names.
public struct EndpointExplanation: Hashable, Sendable {
    /// An argument's value, by its type.
    public indirect enum Value: Hashable, Sendable {
        /// Any text.
        case text(String)
        /// A decimal numeral, valid as a number in JSON as it stands.
        case number(String)
        /// Yes or no.
        case boolean(Bool)
        /// Another endpoint.
        case endpoint(EndpointExplanation)
    }

    /// An argument with its value.
    public struct Argument: Hashable, Sendable {
        /// The argument's own name, also where the string used another.
        public let name: String
        /// The value.
        public let value: Value
        /// What the argument means.
        public let help: String
    }

    /// Whether it connects or listens.
    public let side: EndpointSide
    /// The kind's own name.
    public let kind: String
    /// What the kind is for.
    public let summary: String
    /// The arguments that the string gives, in its order.
    public let arguments: [Argument]
    /// The arguments that it leaves out and that have a value nevertheless.
    public let defaults: [Argument]
    /// The string that the endpoint prints as, with `***` in place of each secret.
    public let canonical: String
    /// What the endpoint can do besides opening network connections; not what those within it can.
    public let powers: [EndpointPower]
    /// What a reader should be warned of, a phrase each: what it runs, adopts or writes, and whom it
    /// trusts; not that of endpoints within.
    public let warnings: [String]
}

/// A kind that a registry knows, with its arguments.
public struct EndpointKindDescription: Hashable, Sendable {
    /// An argument of the kind.
    public struct Argument: Hashable, Sendable {
        /// What it is called.
        public let name: String
        /// Other names that are read as this one.
        public let aliases: [String]
        /// Its place among the arguments given without a name, from 0.
        public let position: Int?
        /// Whether a string must give it.
        public let isRequired: Bool
        /// Whether it is all the rest of the string.
        public let isPrefixed: Bool
        /// What its value is.
        public let type: EndpointArgumentType
        /// Whether its value is masked wherever it could be shown.
        public let isSecret: Bool
        /// What is accepted, in words.
        public let expected: String
        /// The texts that are accepted, where they can be listed.
        public let choices: [String]
        /// The value when it is left out; `nil` if it is required or has none then.
        public let defaultValue: EndpointExplanation.Value?
        /// What it means.
        public let help: String
    }

    /// Whether it connects or listens.
    public let side: EndpointSide
    /// What its strings begin with.
    public let kind: String
    /// What it is for.
    public let summary: String
    /// The arguments, in the order in which they are printed.
    public let arguments: [Argument]

    init<Kind: EndpointKind>(_ type: Kind.Type, side: EndpointSide) {
        self.side = side
        kind = Kind.kind
        summary = Kind.summary
        let defaults = Kind()
        arguments = Kind.arguments.map { argument in
            Argument(
                name: argument.name,
                aliases: argument.aliases,
                position: argument.position,
                isRequired: argument.isRequired,
                isPrefixed: argument.isPrefixed,
                type: argument.type,
                isSecret: argument.isSecret,
                expected: argument.expected,
                choices: argument.choices,
                defaultValue: argument.defaultValue(in: defaults),
                help: argument.help
            )
        }
    }
}

extension EndpointArgument {
    /// The value as it may be shown.
    func shown(_ value: EndpointExplanation.Value) -> EndpointExplanation.Value {
        isSecret ? .text("***") : value
    }

    /// The value when a string leaves the argument out; `nil` if it may not, or if there is none.
    func defaultValue(in root: Root) -> EndpointExplanation.Value? {
        if isRequired { return nil }
        return write(root).map { shown(EndpointExplanation.Value($0, as: type)) }
    }
}

extension EndpointExplanation.Value {
    /// Makes a value of the text that a format wrote.
    init(_ text: String, as type: EndpointArgumentType) {
        switch type {
        case .number where Self.isNumeral(text):
            self = .number(text)
        case .boolean:
            self = .boolean(["1", "true", "yes"].contains(text.asciiLowercased))
        case .text, .number, .endpoint:
            self = .text(text)
        }
    }

    /// Whether JSON has this number: digits, no needless zero before them, a fraction or none.
    private static func isNumeral(_ text: String) -> Bool {
        var digits = Substring(text).utf8
        if digits.first == UInt8(ascii: "-") { digits = digits.dropFirst() }
        let parts = digits.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard let whole = parts.first, parts.count <= 2 else { return false }
        if whole.count > 1, whole.first == UInt8(ascii: "0") { return false }
        return parts.allSatisfy { part in
            !part.isEmpty && part.allSatisfy { (0x30...0x39).contains($0) }
        }
    }
}
