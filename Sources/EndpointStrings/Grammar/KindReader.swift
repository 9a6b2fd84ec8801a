// KindReader: from a description to an endpoint of one kind.
//
// In three steps, so that the error that is reported is the one that explains the others. First
// each argument is given to a declared one, which finds what is unknown, given twice or too much.
// Then the texts are read, in the order of the string. Last comes what is missing, and what only
// the whole shows. A nested endpoint whose colons nobody escaped would show up as a dozen other
// faults, so it is looked for before them.

import EndpointsCore

/// Reads one endpoint of a known kind.
struct KindReader<Kind: EndpointKind> {
    typealias Argument = EndpointDescription.Argument
    typealias Given = (declared: Int, argument: Argument)

    let description: EndpointDescription
    let side: EndpointSide
    let registry: EndpointRegistry
    let declared: [EndpointArgument<Kind>]

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

        let powers = given.reduce(Kind.powers) { $0.union(declared[$1.declared].powers) }.sorted
        let explanation = EndpointExplanation(
            side: side,
            kind: Kind.kind,
            summary: Kind.summary,
            arguments: values,
            defaults: defaults(without: given),
            canonical: canonical(root, values),
            powers: powers,
            warnings: powers.compactMap(\.warning) + root.warnings
        )
        return (root, explanation)
    }

    private func canonical(_ root: Kind, _ values: [EndpointExplanation.Argument]) -> String {
        var inner: [String: String] = [:]
        for argument in values {
            if case .endpoint(let explanation) = argument.value {
                inner[argument.name] = explanation.canonical
            }
        }
        return root.string { inner[$0.name] ?? $0.writeRedacted(root) }
    }

    // MARK: Which is which

    /// The kind's own arguments, and where the endpoint that it is a prefix of begins.
    func split() throws(EndpointStringError) -> (own: [Argument], rest: Int?) {
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
            try refusePowers(of: declared[index], argument)
            given.append((index, argument))
        }
        if !declared.contains(where: \.isPrefixed) { try description.refuseCut() }
        return given
    }

    func index(of argument: Argument) -> Int? {
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
        let inner = try description.start(from: rest)
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
        EndpointExplanation.Argument(
            name: argument.name,
            value: argument.shown(value),
            help: argument.help
        )
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
}
