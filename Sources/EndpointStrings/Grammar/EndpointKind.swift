// EndpointKind: one declaration, from which strings are read, printed, explained and listed.
//
// The endpoint's own type is the kind. Types and defaults are those of its properties: a fresh
// value, made by `init()`, says what each argument is when nobody gives it. So printing can leave
// out what is as it would be anyway, and two strings that mean the same print the same.

import EndpointsCore

/// An endpoint that a string can make.
///
/// Conform a value type (or a final class) that is a ``ClientEndpoint``, a ``ServerEndpoint`` or
/// both, declare its arguments once, and register it in an ``EndpointRegistry``. `description`
/// comes with the conformance: the canonical string, by name, without what is at its default.
public protocol EndpointKind: Endpoint {
    /// What strings of this kind begin with; the case of ASCII letters is ignored when reading.
    static var kind: String { get }
    /// What it is for, in a few words.
    static var summary: String { get }
    /// The arguments, in the order in which they are printed.
    static var arguments: [EndpointArgument<Self>] { get }

    /// What a string of this kind can do besides opening network connections; nothing by default.
    ///
    /// A registry for strings from untrusted hands, ``EndpointRegistry/network``, refuses the kind.
    static var powers: Set<EndpointPower> { get }

    /// What a reader of the string should be warned of, a phrase each; nothing by default.
    var warnings: [String] { get }

    /// Makes the value whose properties are the defaults; required ones may be anything.
    init()

    /// Tells which argument one that was given by its position is.
    ///
    /// The default goes by the positions that the arguments declare.
    ///
    /// - Parameters:
    ///   - position: The place among those without a name, from 0.
    ///   - description: The whole endpoint, for kinds whose positions depend on it.
    /// - Returns: The argument's name; `nil` if there are too many.
    static func argumentName(at position: Int, in description: EndpointDescription) -> String?

    /// Checks what no argument shows alone; called when all have been read.
    ///
    /// The default accepts everything.
    ///
    /// - Throws: ``EndpointArgumentError``, which names the argument to point at.
    func validate() throws
}

extension EndpointKind {
    /// Nothing.
    public static var summary: String { "" }

    /// Nothing.
    public static var powers: Set<EndpointPower> { [] }

    /// Nothing.
    public var warnings: [String] { [] }

    /// Goes by the positions that the arguments declare.
    public static func argumentName(
        at position: Int,
        in description: EndpointDescription
    ) -> String? {
        arguments.first { $0.position == position }?.name
    }

    /// Accepts everything.
    public func validate() throws {}

    /// The canonical string: parsing it gives an equal endpoint.
    ///
    /// Required arguments, by name, then those that differ from their defaults.
    public var description: String { string { $0.write(self) } }

    /// The canonical string with `***` in place of each secret, also of endpoints within, and with
    /// control characters escaped.
    public var redacted: String {
        EndpointError.escapingControls(string { $0.writeRedacted(self) })
    }

    func string(_ shown: (EndpointArgument<Self>) -> String?) -> String {
        let defaults = Self()
        var text = quoted(Self.kind)
        var inner: String?
        for argument in Self.arguments {
            let value = argument.write(self)
            if argument.isPrefixed {
                inner = shown(argument)
            } else if argument.isRequired || (value != nil && value != argument.write(defaults)) {
                text += ":\(quoted(argument.name))=\(Quoting.value(shown(argument) ?? ""))"
            }
        }
        if let inner { return "\(text):\(inner)" }
        return text.unicodeScalars.contains(":") ? text : "\(text):"
    }
}
