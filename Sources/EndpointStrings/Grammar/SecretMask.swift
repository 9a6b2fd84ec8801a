// SecretMask: which parts of a string that was refused must not be shown.
//
// A wrong string is quoted in an error, with a caret, and that error goes to terminals and logs. What
// is secret in it the declarations say: an argument declared `.secret` wherever its kind is used. A
// misspelt name (`passwd=`) declares nothing, so the value of every unknown argument is hidden too.
//
// The string is wrong, so it may be unreadable: a bracket that never closes, a kind that nobody knows.
// From there on text is all there is. A value is then shown only if its name is an argument of some
// kind and a secret of none, and what follows a hidden value is hidden as well, up to the next name
// that may be shown: a password with a colon in it is cut in two.
//
// Columns stay: each scalar that is hidden becomes a star.

/// Finds what to hide in an endpoint string.
struct SecretMask {
    private let registry: EndpointRegistry
    private let string: String
    private var hidden: [Range<Int>] = []
    private lazy var names = ArgumentNames(registry)

    /// The string with stars in place of secrets.
    static func masked(
        _ string: String,
        side: EndpointSide,
        in registry: EndpointRegistry
    ) -> String {
        var mask = SecretMask(string, registry)
        mask.hideSecrets(of: SourceText(string), side: side, depth: 0)
        if mask.hidden.isEmpty { return string }
        var scalars = Array(string.unicodeScalars)
        for range in mask.hidden {
            for column in range where scalars.indices.contains(column - 1) {
                scalars[column - 1] = "*"
            }
        }
        return String(String.UnicodeScalarView(scalars))
    }

    private init(_ string: String, _ registry: EndpointRegistry) {
        self.string = string
        self.registry = registry
    }

    /// Hides the secrets of one level, and of those in it.
    mutating func hideSecrets(of source: SourceText, side: EndpointSide, depth: Int) {
        guard depth <= EndpointDescription.maximumDepth else { return hide(source) }
        guard
            let (description, unread) = EndpointDescription.readable(
                source,
                of: string,
                depth: depth
            )
        else { return hideByText(source.scalars) }
        guard let hideSecrets = registry.secretHider(for: description.kind, side: side) else {
            return hideByText(source.scalars)
        }
        hideSecrets(description, unread, registry, &self)
    }

    mutating func hide(_ argument: EndpointDescription.Argument) {
        let brackets = argument.isBracketed ? 1 : 0
        hidden.append(
            (argument.textColumn - brackets)..<(argument.content.endColumn + brackets)
        )
    }

    private mutating func hide(_ source: SourceText) {
        hidden.append(source.startColumn..<source.endColumn)
    }

    /// Hides what may be secret in text of which nobody knows what it means.
    mutating func hideByText(
        _ scalars: ArraySlice<SourceText.Scalar>,
        isAfterHidden: Bool = false
    ) {
        var isAfterHidden = isAfterHidden
        var start = scalars.startIndex
        var equals: Int?
        var isSuspect = false
        var index = start
        func isSeparator(_ value: Unicode.Scalar) -> Bool {
            value == ":" || value == "[" || value == "]"
        }
        while index <= scalars.endIndex {
            if index == scalars.endIndex || isSeparator(scalars[index].value) {
                if let equals {
                    let name = String(
                        String.UnicodeScalarView(scalars[start..<equals].map(\.value))
                    )
                    isAfterHidden = isSuspect || !names.plain.contains(name)
                } else if isSuspect {
                    isAfterHidden = true
                }
                let isHidden = isAfterHidden || (equals == nil && names.haveSecretPosition)
                let text = (equals.map { $0 + 1 } ?? start)..<index
                if isHidden, !text.isEmpty, !isKind(scalars[text]) {
                    hidden.append(
                        scalars[text.lowerBound].column..<(scalars[text.upperBound - 1].column + 1)
                    )
                }
                (start, equals, isSuspect) = (index + 1, nil, false)
            } else if scalars[index].value == "\\", index + 1 < scalars.endIndex {
                // An escaped `=` may be one of an endpoint within.
                index += 1
                if scalars[index].value == "=" { isSuspect = true }
            } else if scalars[index].value == "=" {
                if equals == nil { equals = index } else { isSuspect = true }
            }
            index += 1
        }
    }

    private func isKind(_ scalars: ArraySlice<SourceText.Scalar>) -> Bool {
        if scalars.count > 32 { return false }
        let text = String(String.UnicodeScalarView(scalars.map(\.value)))
        return registry.knows(text, on: .client) || registry.knows(text, on: .server)
    }
}

/// The names of all kinds' arguments.
private struct ArgumentNames {
    /// Those that may be shown where it is not known whose they are.
    let plain: Set<String>
    /// Whether one without a name may be secret.
    private(set) var haveSecretPosition = false

    init(_ registry: EndpointRegistry) {
        var (plain, secret): (Set<String>, Set<String>) = ([], [])
        for side in EndpointSide.allCases {
            for argument in registry.kinds(for: side).flatMap(\.arguments) {
                let names = [argument.name] + argument.aliases
                if argument.isSecret { secret.formUnion(names) } else { plain.formUnion(names) }
                if argument.isSecret, argument.position != nil { haveSecretPosition = true }
            }
        }
        self.plain = plain.subtracting(secret)
    }
}

extension EndpointRegistry {
    /// Reads a string; an error about it shows no secret.
    ///
    /// Hints quote the string, in many ways. So they are taken from reading it once more, masked.
    func masking<Result>(
        _ string: String,
        _ side: EndpointSide,
        _ read: (EndpointDescription) throws(EndpointStringError) -> Result
    ) throws(EndpointStringError) -> Result {
        try masking(side) { () throws(EndpointStringError) in
            try read(EndpointDescription(start: string))
        } again: { masked throws(EndpointStringError) in
            _ = try read(EndpointDescription(start: masked))
        }
    }

    /// Reads something; an error about it shows no secret.
    func masking<Result>(
        _ side: EndpointSide = .client,
        _ read: () throws(EndpointStringError) -> Result,
        again: (_ masked: String) throws(EndpointStringError) -> Void = { _ in }
    ) throws(EndpointStringError) -> Result {
        let error: EndpointStringError
        do { return try read() } catch let refusal { error = refusal }
        let masked = SecretMask.masked(error.string, side: side, in: self)
        if masked == error.string { throw error }
        var hint: String?
        do { try again(masked) } catch let other {
            if other.column == error.column { hint = other.hint }
        }
        throw EndpointStringError(
            error.string,
            column: error.column,
            error.message,
            hint: hint,
            masked: masked
        )
    }
}

extension KindReader {
    /// Hides the secrets of an endpoint of this kind; `unread` could not be parsed.
    func hideSecrets(_ unread: ArraySlice<SourceText.Scalar>, _ mask: inout SecretMask) {
        guard let (own, rest) = try? split() else {
            return mask.hideByText(description.source.scalars)
        }
        var isAfterHidden = false
        var isCutUp = false
        for argument in own {
            let declared = index(of: argument).map { self.declared[$0] }
            if isAfterHidden, argument.name == nil {
                // Perhaps the rest of a secret with a colon in it.
                mask.hide(argument)
            } else if let declared, !declared.isSecret {
                isAfterHidden = false
                guard case .endpoint(let side) = declared.type else { continue }
                mask.hideSecrets(
                    of: argument.content,
                    side: side,
                    depth: description.depth + 1
                )
                // Its colons are not escaped: what follows is its own.
                if !argument.isBracketed, registry.knows(argument.text, on: side) { isCutUp = true }
            } else if declared == nil, isCutUp {
                mask.hideByText(description.source.scalars[argument.range])
            } else if declared != nil || argument.name != nil {
                isAfterHidden = true
                mask.hide(argument)
            } else {
                mask.hideByText(description.source.scalars[argument.range])
            }
        }
        guard let rest, let prefixed = self.declared.first(where: \.isPrefixed),
            case .endpoint(let side) = prefixed.type
        else { return mask.hideByText(unread, isAfterHidden: isAfterHidden) }
        mask.hideSecrets(
            of: description.remainingSource(from: rest),
            side: side,
            depth: description.depth + 1
        )
    }
}
