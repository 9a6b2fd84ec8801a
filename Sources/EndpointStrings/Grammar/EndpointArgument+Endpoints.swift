// Arguments that are endpoints themselves.
//
// Two ways of nesting. As a value, `endpoint=[tcp:h:80]`, the inner string is in brackets or
// escaped once more. As a prefix, `haproxy:tcp:80`, it is all the rest of the outer one, as it
// stands. Both hand the inner level to the registry with its columns.

import EndpointsCore

extension EndpointArgument {
    /// Declares a client's endpoint that a string must give.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - keyPath: The property it sets.
    ///   - position: Its place among those without a name, from 0; by name only unless told.
    ///   - aliases: Other names.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func required(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, any ClientEndpoint> & Sendable,
        position: Int? = nil,
        aliases: [String] = [],
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: aliases, position: position, help: help)
        return form.required.client({ $0[keyPath: keyPath] = $1 }, { $0[keyPath: keyPath] })
    }

    /// Declares a server's endpoint that a string must give.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - keyPath: The property it sets.
    ///   - position: Its place among those without a name, from 0; by name only unless told.
    ///   - aliases: Other names.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func required(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, any ServerEndpoint> & Sendable,
        position: Int? = nil,
        aliases: [String] = [],
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: aliases, position: position, help: help)
        return form.required.server({ $0[keyPath: keyPath] = $1 }, { $0[keyPath: keyPath] })
    }

    /// Declares a client's endpoint that may be left out; the property's first value is its default.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - keyPath: The property it sets.
    ///   - position: Its place among those without a name, from 0; by name only unless told.
    ///   - aliases: Other names.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func optional(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, any ClientEndpoint> & Sendable,
        position: Int? = nil,
        aliases: [String] = [],
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: aliases, position: position, help: help)
        return form.client({ $0[keyPath: keyPath] = $1 }, { $0[keyPath: keyPath] })
    }

    /// Declares a server's endpoint that may be left out; the property's first value is its default.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - keyPath: The property it sets.
    ///   - position: Its place among those without a name, from 0; by name only unless told.
    ///   - aliases: Other names.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func optional(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, any ServerEndpoint> & Sendable,
        position: Int? = nil,
        aliases: [String] = [],
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: aliases, position: position, help: help)
        return form.server({ $0[keyPath: keyPath] = $1 }, { $0[keyPath: keyPath] })
    }

    /// Declares a client's endpoint that is `nil` when it is left out.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - keyPath: The property it sets.
    ///   - position: Its place among those without a name, from 0; by name only unless told.
    ///   - aliases: Other names.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func optional(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, (any ClientEndpoint)?> & Sendable,
        position: Int? = nil,
        aliases: [String] = [],
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: aliases, position: position, help: help)
        return form.client({ $0[keyPath: keyPath] = $1 }, { $0[keyPath: keyPath] })
    }

    /// Declares a server's endpoint that is `nil` when it is left out.
    ///
    /// - Parameters:
    ///   - name: What it is called.
    ///   - keyPath: The property it sets.
    ///   - position: Its place among those without a name, from 0; by name only unless told.
    ///   - aliases: Other names.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func optional(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, (any ServerEndpoint)?> & Sendable,
        position: Int? = nil,
        aliases: [String] = [],
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: aliases, position: position, help: help)
        return form.server({ $0[keyPath: keyPath] = $1 }, { $0[keyPath: keyPath] })
    }

    /// Declares the client's endpoint that all the rest of the string describes, as it stands.
    ///
    /// The kind's other arguments come before it, by name.
    ///
    /// - Parameters:
    ///   - name: What it is called when a string is explained.
    ///   - keyPath: The property it sets.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func prefixed(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, any ClientEndpoint> & Sendable,
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: [], help: help, isRequired: true, isPrefixed: true)
        return form.client({ $0[keyPath: keyPath] = $1 }, { $0[keyPath: keyPath] })
    }

    /// Declares the server's endpoint that all the rest of the string describes, as it stands.
    ///
    /// The kind's other arguments come before it, by name.
    ///
    /// - Parameters:
    ///   - name: What it is called when a string is explained.
    ///   - keyPath: The property it sets.
    ///   - help: What it means.
    /// - Returns: The declaration.
    public static func prefixed(
        _ name: String,
        _ keyPath: WritableKeyPath<Root, any ServerEndpoint> & Sendable,
        help: String
    ) -> EndpointArgument {
        let form = Form(name: name, aliases: [], help: help, isRequired: true, isPrefixed: true)
        return form.server({ $0[keyPath: keyPath] = $1 }, { $0[keyPath: keyPath] })
    }
}

extension EndpointArgument.Form {
    fileprivate func client(
        _ set: @escaping @Sendable (inout Root, any ClientEndpoint) -> Void,
        _ get: @escaping @Sendable (Root) -> (any ClientEndpoint)?
    ) -> EndpointArgument<Root> {
        nested(
            .client,
            assign: { root, description, registry in
                let (endpoint, explanation) = try registry.client(description)
                set(&root, endpoint)
                return .endpoint(explanation)
            },
            write: { get($0)?.description },
            writeRedacted: { get($0)?.redacted }
        )
    }

    fileprivate func server(
        _ set: @escaping @Sendable (inout Root, any ServerEndpoint) -> Void,
        _ get: @escaping @Sendable (Root) -> (any ServerEndpoint)?
    ) -> EndpointArgument<Root> {
        nested(
            .server,
            assign: { root, description, registry in
                let (endpoint, explanation) = try registry.server(description)
                set(&root, endpoint)
                return .endpoint(explanation)
            },
            write: { get($0)?.description },
            writeRedacted: { get($0)?.redacted }
        )
    }

    private func nested(
        _ side: EndpointSide,
        assign:
            @escaping @Sendable (
                inout Root, EndpointDescription, EndpointRegistry
            ) throws -> EndpointExplanation.Value,
        write: @escaping @Sendable (Root) -> String?,
        writeRedacted: @escaping @Sendable (Root) -> String?
    ) -> EndpointArgument<Root> {
        let isPrefixed = isPrefixed
        return EndpointArgument(
            name: name,
            aliases: aliases,
            position: position,
            isRequired: isRequired,
            help: help,
            type: .endpoint(side),
            expected: "a \(side.rawValue)'s endpoint",
            choices: [],
            isPrefixed: isPrefixed,
            assign: { root, description, argument, registry in
                if argument.content.scalars.isEmpty { throw EndpointArgumentError("is empty") }
                let inner = isPrefixed ? description : try description.start(in: argument)
                return try assign(&root, inner, registry)
            },
            write: write,
            writeRedacted: writeRedacted
        )
    }
}
