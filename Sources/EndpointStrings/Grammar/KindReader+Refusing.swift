// What can be wrong with an endpoint of a known kind, and how it is said: the argument, the text, what
// is wrong with it, what is allowed, and what was probably meant.
//
// The first fault that shows is often the consequence of another: colons that nobody escaped make
// too many arguments, an empty one, one given twice, or none at all. So each of these asks first
// whether an address or an endpoint was cut up.

import EndpointsCore

extension KindReader {
    func refuseMissing(_ given: [Given], hasRest: Bool) throws(EndpointStringError) {
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

    /// Refuses an argument that can do what this registry does not allow.
    func refusePowers(
        of declared: EndpointArgument<Kind>,
        _ argument: Argument
    ) throws(EndpointStringError) {
        guard let power = declared.powers.intersection(registry.refusedPowers).sorted.first else {
            return
        }
        throw description.error(
            "argument \(shown(declared.name)) of \(shown(Kind.kind)) is not allowed here: "
                + "it \(power.phrase)",
            column: argument.column
        )
    }

    /// Looks for `endpoint=tcp:host:80`, of which only `tcp` would be the nested endpoint.
    func refuseUnescapedEndpoints(in own: [Argument]) throws(EndpointStringError) {
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
        guard let inner = try? description.start(in: argument) else { return false }
        return switch side {
        case .client: (try? registry.client(inner)) != nil
        case .server: (try? registry.server(inner)) != nil
        }
    }

    func unknown(_ name: String, _ argument: Argument) -> EndpointStringError {
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

    func tooMany(_ argument: Argument) -> EndpointStringError {
        if let error = unescapedAddress() { return error }
        let names = declared.indices.compactMap { Kind.argumentName(at: $0, in: description) }
        let allowed =
            names.isEmpty
            ? "without a name it takes none"
            : "without a name it takes \(names.joined(separator: ", "))"
        let named = declared.map(\.name).filter { !names.contains($0) }
        let others =
            named.isEmpty ? nil : "the others need their names: \(named.joined(separator: ", "))"
        return description.error(
            "too many arguments for \(shown(Kind.kind)); \(allowed)",
            column: argument.column,
            hint: DescriptionHint.forURL(description) ?? others
        )
    }

    func givenTwice(
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

    func refused(
        _ argument: Argument,
        _ declared: EndpointArgument<Kind>,
        _ error: any Error
    ) -> EndpointStringError {
        if let error = unescapedAddress(near: argument) { return error }
        let name = argument.name ?? declared.name
        let why = error as? EndpointArgumentError ?? EndpointArgumentError("is refused: \(error)")
        let text = argument.text
        let beginning = "argument \(shown(name)) of \(shown(Kind.kind))"
        let message =
            if text.isEmpty {
                "\(beginning) is empty; expected \(declared.expected)"
            } else if declared.isSecret {
                // A reason may quote the value.
                "\(beginning) is not \(declared.expected)"
            } else if let reason = why.reason {
                "\(beginning): \(shown(text)) \(reason); expected \(declared.expected)"
            } else {
                "\(beginning): \(shown(text)) is not \(declared.expected)"
            }
        return description.error(
            message,
            column: argument.textColumn,
            hint: why.hint
                ?? Spelling.suggestion(for: text, among: declared.choices)
                ?? DescriptionHint.forURL(description)
                ?? DescriptionHint.forSpace(text)
        )
    }

    func invalid(_ error: any Error, _ given: [Given]) -> EndpointStringError {
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
