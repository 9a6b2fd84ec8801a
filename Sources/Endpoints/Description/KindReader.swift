// KindReader: from a description to an endpoint of one kind.
//
// In three steps, so that the error that is reported is the one that explains the others. First
// each argument is given to a declared one, which finds what is unknown, given twice or too much.
// Then the texts are read, in the order of the string. Last comes what is missing, and what only
// the whole shows. A nested endpoint whose colons nobody escaped would show up as a dozen other
// faults, so it is looked for before them.

/// Reads one endpoint of a known kind.
struct KindReader<Kind: EndpointKind> {
    private typealias Argument = EndpointDescription.Argument
    private typealias Given = (declared: Int, argument: Argument)

    private let description: EndpointDescription
    private let side: EndpointSide
    private let registry: EndpointRegistry
    private let declared: [EndpointArgument<Kind>]

    init(_ description: EndpointDescription, side: EndpointSide, registry: EndpointRegistry) {
        self.description = description
        self.side = side
        self.registry = registry
        declared = Kind.arguments
    }

    func read() throws(EndpointStringError) -> (Kind, EndpointExplanation) {
        let (own, rest) = try split()
        try refuseUnescapedEndpoints(in: own)
        let given = try assign(own)

        var root = Kind()
        var values: [EndpointExplanation.Argument] = []
        for (index, argument) in given {
            let value = try read(argument, as: declared[index], of: description, into: &root)
            values.append(explained(declared[index], value))
        }
        if let rest {
            values.append(try readPrefixed(from: rest, into: &root))
        }
        try refuseMissing(given, hasRest: rest != nil)
        do {
            try root.validate()
        } catch {
            throw invalid(error, given)
        }

        let explanation = EndpointExplanation(
            side: side,
            kind: Kind.kind,
            summary: Kind.summary,
            arguments: values,
            defaults: defaults(without: given),
            canonical: root.description
        )
        return (root, explanation)
    }

    // MARK: Which is which

    /// The kind's own arguments, and where the endpoint that it is a prefix of begins.
    private func split() throws(EndpointStringError) -> (own: [Argument], rest: Int?) {
        let arguments = description.arguments
        guard let prefixed = declared.first(where: \.isPrefixed) else {
            // `stdio:` has one empty argument, which counts as none.
            let isBare = arguments.count == 1 && description.raw(arguments[0]).isEmpty
            return (isBare ? [] : arguments, nil)
        }
        guard let rest = arguments.firstIndex(where: { $0.position != nil }) else {
            return (arguments, nil)
        }
        if rest == arguments.count - 1, description.raw(arguments[rest]).isEmpty {
            return (Array(arguments[..<rest]), nil)
        }
        if arguments[rest].isBracketed {
            throw description.error(
                "the \(prefixed.name) of \(shown(Kind.kind)) is all the rest of the string, "
                    + "without brackets",
                column: arguments[rest].column,
                hint: "leave out the brackets"
            )
        }
        return (Array(arguments[..<rest]), rest)
    }

    /// Gives each argument of the string to one that is declared.
    private func assign(_ arguments: [Argument]) throws(EndpointStringError) -> [Given] {
        var given: [Given] = []
        for argument in arguments {
            guard let index = index(of: argument) else {
                throw argument.name.map { unknown($0, argument) } ?? tooMany(argument)
            }
            if let earlier = given.first(where: { $0.declared == index }) {
                throw givenTwice(argument, earlier.argument, declared[index])
            }
            given.append((index, argument))
        }
        return given
    }

    private func index(of argument: Argument) -> Int? {
        if let name = argument.name {
            return declared.firstIndex { $0.isCalled(name) && !$0.isPrefixed }
        }
        // No kind has more positions than arguments; it is not asked about each of a million colons.
        guard let position = argument.position, position < declared.count else { return nil }
        let name = Kind.argumentName(at: position, in: description)
        return declared.firstIndex { $0.name == name && !$0.isPrefixed }
    }

    // MARK: Reading

    private func read(
        _ argument: Argument,
        as declared: EndpointArgument<Kind>,
        of description: EndpointDescription,
        into root: inout Kind
    ) throws(EndpointStringError) -> EndpointExplanation.Value {
        do {
            return try declared.assign(&root, description, argument, registry)
        } catch let error as EndpointStringError {
            throw error
        } catch {
            throw refused(argument, declared, error)
        }
    }

    private func readPrefixed(
        from rest: Int,
        into root: inout Kind
    ) throws(EndpointStringError) -> EndpointExplanation.Argument {
        let inner = try description.nested(from: rest)
        guard let prefixed = declared.first(where: \.isPrefixed) else {
            throw tooMany(description.arguments[rest])
        }
        let argument = description.arguments[rest]
        return explained(prefixed, try read(argument, as: prefixed, of: inner, into: &root))
    }

    private func explained(
        _ argument: EndpointArgument<Kind>,
        _ value: EndpointExplanation.Value
    ) -> EndpointExplanation.Argument {
        EndpointExplanation.Argument(name: argument.name, value: value, help: argument.help)
    }

    private func defaults(without given: [Given]) -> [EndpointExplanation.Argument] {
        let root = Kind()
        var defaults: [EndpointExplanation.Argument] = []
        for (index, argument) in declared.enumerated()
        where !given.contains(where: { $0.declared == index }) {
            if let value = argument.defaultValue(in: root) {
                defaults.append(explained(argument, value))
            }
        }
        return defaults
    }

    // MARK: What can be wrong

    private func refuseMissing(_ given: [Given], hasRest: Bool) throws(EndpointStringError) {
        for (index, argument) in declared.enumerated() where argument.isRequired {
            let isGiven = given.contains { $0.declared == index }
            if isGiven || argument.isPrefixed && hasRest { continue }
            if let error = unescapedAddress() { throw error }
            throw description.error(
                "\(shown(Kind.kind)) needs the argument \(shown(argument.name)), "
                    + "\(argument.expected)",
                column: description.endColumn
            )
        }
    }

    /// Looks for `endpoint=tcp:host:80`, of which only `tcp` would be the nested endpoint.
    private func refuseUnescapedEndpoints(in own: [Argument]) throws(EndpointStringError) {
        for (place, argument) in own.enumerated() where !argument.isBracketed {
            guard let nested = index(of: argument).map({ declared[$0] }),
                case .endpoint(let side) = nested.type,
                registry.knows(argument.text, on: side)
            else { continue }
            // What follows belongs to the inner endpoint up to the next argument of this kind's own.
            let following = own[(place + 1)...].prefix { next in
                next.name.map { name in !declared.contains { $0.isCalled(name) } } ?? true
            }
            if following.isEmpty || isComplete(argument, side) { continue }

            let inner = [argument.text] + following.map { description.raw($0) }
            let shortened = EndpointStringError.visible(inner.joined(separator: ":"), limit: 120)
            let name = argument.name.map { "\($0)=" } ?? ""
            throw description.error(
                "argument \(shown(nested.name)) of \(shown(Kind.kind)): the colons of the nested "
                    + "endpoint are not escaped, so it ends after \(shown(argument.text))",
                column: following.first?.column ?? argument.textColumn,
                hint: "write \(name)[\(shortened)] or "
                    + name + Quoting.escaped(shortened, alsoEquals: name.isEmpty).text
            )
        }
    }

    /// Whether the text is an endpoint already, such as `stdio`.
    private func isComplete(_ argument: Argument, _ side: EndpointSide) -> Bool {
        guard let inner = try? description.nested(in: argument) else { return false }
        return switch side {
        case .client: (try? registry.client(inner)) != nil
        case .server: (try? registry.server(inner)) != nil
        }
    }

    private func unknown(_ name: String, _ argument: Argument) -> EndpointStringError {
        if let prefixed = declared.first(where: \.isPrefixed) {
            let own = declared.filter { !$0.isPrefixed }.map(\.name)
            let allowed = own.isEmpty ? "" : "\(own.joined(separator: ", ")) or "
            return description.error(
                "unknown argument \(shown(name)) of \(shown(Kind.kind)); expected \(allowed)"
                    + "the \(prefixed.name)",
                column: argument.column,
                hint: Spelling.suggestion(for: name, among: own)
                    ?? "the \(prefixed.name) begins with its kind"
            )
        }
        let names = declared.flatMap { [$0.name] + $0.aliases }
        let allowed =
            names.isEmpty ? "it has none" : "expected one of \(names.joined(separator: ", "))"
        let isPath = name.hasPrefix("/") || name.hasPrefix("./") || name.hasPrefix("@")
        return description.error(
            "unknown argument \(shown(name)) of \(shown(Kind.kind)); \(allowed)",
            column: argument.column,
            hint: isPath
                ? "an = that belongs to a text is written \\="
                : Spelling.suggestion(for: name, among: names)
        )
    }

    /// The error for an IPv6 address that was cut up at its colons, if there is one.
    private func unescapedAddress(near argument: Argument? = nil) -> EndpointStringError? {
        let found = DescriptionHint.unescapedAddress(in: description, side: side, near: argument)
        guard let found else { return nil }
        let name =
            index(of: found.argument).map { "argument \(shown(declared[$0].name)) of " } ?? ""
        return description.error(
            "\(name)\(shown(Kind.kind)): the colons of the IPv6 address are not escaped, so it ends "
                + "at the first of them",
            column: found.argument.textColumn,
            hint: found.hint
        )
    }

    private func tooMany(_ argument: Argument) -> EndpointStringError {
        if let error = unescapedAddress() { return error }
        let names = declared.filter { $0.position != nil }
            .sorted { ($0.position ?? 0) < ($1.position ?? 0) }.map(\.name)
        let allowed =
            names.isEmpty
            ? "without a name it takes none"
            : "without a name it takes \(names.joined(separator: ", "))"
        let named = declared.filter { $0.position == nil }.map(\.name)
        let others =
            named.isEmpty ? nil : "the others need their names: \(named.joined(separator: ", "))"
        return description.error(
            "too many arguments for \(shown(Kind.kind)); \(allowed)",
            column: argument.column,
            hint: DescriptionHint.forURL(description) ?? others
        )
    }

    private func givenTwice(
        _ argument: Argument,
        _ earlier: Argument,
        _ declared: EndpointArgument<Kind>
    ) -> EndpointStringError {
        if let error = unescapedAddress() { return error }
        let how =
            switch (earlier.name, argument.name) {
            case (let first?, let second?) where first == second: "twice"
            case (let first?, let second?): "twice, as \(shown(first)) and as \(shown(second))"
            default: "twice, by its position and by its name"
            }
        return description.error(
            "argument \(shown(declared.name)) of \(shown(Kind.kind)) is given \(how)",
            column: argument.column
        )
    }

    private func refused(
        _ argument: Argument,
        _ declared: EndpointArgument<Kind>,
        _ error: any Error
    ) -> EndpointStringError {
        if let error = unescapedAddress(near: argument) { return error }
        let name = argument.name ?? declared.name
        let why = error as? EndpointArgumentError ?? EndpointArgumentError("is refused: \(error)")
        let beginning = "argument \(shown(name)) of \(shown(Kind.kind))"
        let message =
            if argument.text.isEmpty {
                "\(beginning) is empty; expected \(declared.expected)"
            } else if let reason = why.reason {
                "\(beginning): \(shown(argument.text)) \(reason); expected \(declared.expected)"
            } else {
                "\(beginning): \(shown(argument.text)) is not \(declared.expected)"
            }
        return description.error(
            message,
            column: argument.textColumn,
            hint: why.hint
                ?? Spelling.suggestion(for: argument.text, among: declared.choices)
                ?? DescriptionHint.forURL(description)
                ?? DescriptionHint.forSpace(argument.text)
        )
    }

    private func invalid(_ error: any Error, _ given: [Given]) -> EndpointStringError {
        let why = error as? EndpointArgumentError ?? EndpointArgumentError("\(error)")
        let place = given.first { declared[$0.declared].name == why.argument }
        let reason = why.reason ?? "is not valid"
        let subject =
            if let argument = why.argument {
                "argument \(shown(argument)) of \(shown(Kind.kind))"
            } else {
                shown(Kind.kind)
            }
        return description.error(
            "\(subject) \(reason)",
            column: place?.argument.column ?? description.kindColumn,
            hint: why.hint
        )
    }
}
