// EndpointArgument: one argument of a kind, with its types taken away.
//
// The key path knows the property and the format its text. Both go into closures over the root, so
// that arguments of different types can stand in one array and the reader needs no generics of its
// own. `any ClientEndpoint` can conform to nothing, hence the overloads for nested endpoints.

import EndpointsCore

/// An argument of a kind of endpoint, declared once.
public struct EndpointArgument<Root>: Sendable {
    typealias Assign =
        @Sendable (
            inout Root, EndpointDescription, EndpointDescription.Argument, EndpointRegistry
        ) throws -> EndpointExplanation.Value

    /// What it is called, and printed as.
    public let name: String
    /// Other names that are read as this one.
    public let aliases: [String]
    /// Its place among the arguments given without a name, from 0; `nil` if it needs its name.
    public package(set) var position: Int?
    /// Whether a string must give it.
    public let isRequired: Bool
    /// What it means, in a few words.
    public let help: String
    /// What its value is.
    public let type: EndpointArgumentType
    /// What is accepted, in words.
    public let expected: String
    /// The texts that are accepted, where they can be listed.
    public let choices: [String]

    /// Whether it is the endpoint that all the rest of the string describes.
    let isPrefixed: Bool
    /// Reads a text into the root.
    let assign: Assign
    /// Writes the value as text, unescaped; `nil` if there is none.
    let write: @Sendable (Root) -> String?
    /// The same without secrets.
    var writeRedacted: @Sendable (Root) -> String?
    /// Whether its value is shown to nobody.
    public internal(set) var isSecret = false
    /// What a string can do by giving it.
    public internal(set) var powers: Set<EndpointPower> = []

    func isCalled(_ name: String) -> Bool {
        self.name == name || aliases.contains(name)
    }
}

extension EndpointArgument {
    /// The same, its value masked wherever it could be shown: in ``Endpoint/redacted``, in errors about
    /// a string, and in explanations.
    ///
    /// Only the endpoint's description has it.
    public var secret: EndpointArgument {
        var argument = self
        argument.isSecret = true
        let write = write
        argument.writeRedacted = { write($0).map { _ in "***" } }
        return argument
    }

    /// The same, refused by registries that refuse one of these powers.
    ///
    /// - Parameter powers: What a string can do by giving the argument.
    /// - Returns: The declaration.
    public func granting(_ powers: EndpointPower...) -> EndpointArgument {
        var argument = self
        argument.powers.formUnion(powers)
        return argument
    }

    /// Declares an argument that a string must give.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - keyPath: The property it sets.
    ///   - position: Its place among those without a name, from 0; by name only unless told.
    ///   - aliases: Other names.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func required<Value: EndpointArgumentValue>(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, Value> & Sendable,
        position: Int? = nil,
        aliases: [String] = [],
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: aliases, position: position, help: help)
        return form.required.argument(keyPath, Value.argumentFormat)
    }

    /// Declares an argument that a string must give, in a format of its own.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - keyPath: The property it sets.
    ///   - format: How its text is read and written.
    ///   - position: Its place among those without a name, from 0; by name only unless told.
    ///   - aliases: Other names.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func required<Value>(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, Value> & Sendable,
        as format: EndpointArgumentFormat<Value>,
        position: Int? = nil,
        aliases: [String] = [],
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: aliases, position: position, help: help)
        return form.required.argument(keyPath, format)
    }

    /// Declares an argument that may be left out; the property's first value is its default.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - keyPath: The property it sets.
    ///   - position: Its place among those without a name, from 0; by name only unless told.
    ///   - aliases: Other names.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func optional<Value: EndpointArgumentValue>(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, Value> & Sendable,
        position: Int? = nil,
        aliases: [String] = [],
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: aliases, position: position, help: help)
        return form.argument(keyPath, Value.argumentFormat)
    }

    /// Declares an argument that may be left out, in a format of its own.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - keyPath: The property it sets.
    ///   - format: How its text is read and written.
    ///   - position: Its place among those without a name, from 0; by name only unless told.
    ///   - aliases: Other names.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func optional<Value>(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, Value> & Sendable,
        as format: EndpointArgumentFormat<Value>,
        position: Int? = nil,
        aliases: [String] = [],
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: aliases, position: position, help: help)
        return form.argument(keyPath, format)
    }

    /// Declares an argument whose property is `nil` when it is left out, in a format of its own.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - keyPath: The property it sets.
    ///   - format: How its text is read and written.
    ///   - position: Its place among those without a name, from 0; by name only unless told.
    ///   - aliases: Other names.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func optional<Value>(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, Value?> & Sendable,
        as format: EndpointArgumentFormat<Value>,
        position: Int? = nil,
        aliases: [String] = [],
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: aliases, position: position, help: help)
        return form.argument(keyPath, format.optional)
    }
}

extension EndpointArgument {
    /// What a declaration says apart from the type.
    struct Form {
        package var name: String
        var aliases: [String]
        var position: Int?
        var help: String
        var isRequired = false
        var isPrefixed = false

        var required: Form {
            var form = self
            form.isRequired = true
            return form
        }

        func argument<Value>(
            _ keyPath: WritableKeyPath<Root, Value> & Sendable,
            _ format: EndpointArgumentFormat<Value>
        ) -> EndpointArgument {
            EndpointArgument(
                name: name,
                aliases: aliases,
                position: position,
                isRequired: isRequired,
                help: help,
                type: format.type,
                expected: format.expected,
                choices: format.choices,
                isPrefixed: isPrefixed,
                assign: { root, _, argument, _ in
                    let given = argument.text
                    if given.isEmpty, !format.allowsEmpty {
                        throw EndpointArgumentError("is empty")
                    }
                    let value = try format.read(given)
                    root[keyPath: keyPath] = value
                    let text = format.write(value) ?? given
                    return EndpointExplanation.Value(text, as: format.type)
                },
                write: { format.write($0[keyPath: keyPath]) },
                writeRedacted: { format.write($0[keyPath: keyPath]) }
            )
        }
    }
}
