// EndpointArgumentFormat: how one argument's text becomes a value, and a value its text.
//
// Reading is strict where Swift's own initialisers are not: `Int("+80")` is 80 and `Int("٨٠")` is
// nil, but here a number is ASCII digits and nothing else. What is read and written must agree:
// for every value, reading what was written gives the value back.

import EndpointsCore

/// What an argument's value is, for whoever lists or prints it.
public enum EndpointArgumentType: Hashable, Sendable {
    /// Any text.
    case text
    /// A number; its text is a decimal numeral.
    case number
    /// Yes or no.
    case boolean
    /// Another endpoint.
    case endpoint(EndpointSide)
}

/// Which end of a connection an endpoint is for.
public enum EndpointSide: String, Hashable, Sendable, CaseIterable {
    /// Connects.
    case client
    /// Listens.
    case server
}

/// A type that an endpoint's argument can have without further words.
public protocol EndpointArgumentValue: Sendable {
    /// How a text becomes a value, and a value a text.
    static var argumentFormat: EndpointArgumentFormat<Self> { get }
}

/// Why a text or a set of arguments is refused; a reader or `validate` throws it.
///
/// The parser adds the kind, the argument and the column.
public struct EndpointArgumentError: Error, Hashable, Sendable {
    /// What is wrong, after the quoted text or the argument's name: “has an empty label”.
    ///
    /// `nil` says that the text is not what the format expects.
    public var reason: String?
    /// The argument to point at; `nil` for the one being read, or for the whole endpoint.
    public var argument: String?
    /// What to write instead.
    public var hint: String?

    /// Makes an error of the parts that are known.
    public init(_ reason: String? = nil, argument: String? = nil, hint: String? = nil) {
        self.reason = reason
        self.argument = argument
        self.hint = hint
    }
}

/// How one argument's text becomes a value, and a value its text.
public struct EndpointArgumentFormat<Value>: Sendable {
    /// What the value is, for whoever lists or prints it.
    public var type: EndpointArgumentType
    /// What is accepted, in words, with an article: “a port from 1 to 65535”.
    public var expected: String
    /// The texts that are accepted, where they can be listed.
    public var choices: [String]
    /// Whether an empty text is a value.
    public var allowsEmpty: Bool
    /// Reads a text.
    ///
    /// An ``EndpointArgumentError`` can say more than that it is not as expected.
    public var read: @Sendable (String) throws -> Value
    /// Writes a value as the text that gives it; `nil` for one that is expressed by leaving it out.
    public var write: @Sendable (Value) -> String?

    /// Makes a format.
    public init(
        _ type: EndpointArgumentType = .text,
        expected: String,
        choices: [String] = [],
        allowsEmpty: Bool = false,
        read: @escaping @Sendable (String) throws -> Value,
        write: @escaping @Sendable (Value) -> String?
    ) {
        self.type = type
        self.expected = expected
        self.choices = choices
        self.allowsEmpty = allowsEmpty
        self.read = read
        self.write = write
    }

    /// The same for a value that may be absent: `nil` is left out.
    public var optional: EndpointArgumentFormat<Value?> {
        let (read, write) = (read, write)
        return EndpointArgumentFormat<Value?>(
            type,
            expected: expected,
            choices: choices,
            allowsEmpty: allowsEmpty,
            read: { try read($0) },
            write: { value in value.flatMap { write($0) } }
        )
    }
}
