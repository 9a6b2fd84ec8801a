// EndpointDescription: what a string says before anybody knows what its kind means.
//
// The same text can be read at two depths. An argument's value may be a whole endpoint, with its
// own arguments (escaped once more, or in brackets); and a prefix kind such as `haproxy:` takes
// everything after it, as it stands. Which of these applies only the kind knows. So a description
// holds one level, and hands out the next one, columns kept, when asked.
//
// To a prefix kind all the levels below it look like arguments of its own, and each level is
// parsed again. What bounds that work, for a string of millions of colons, is that nobody looks
// further than a level's first thousand arguments; no kind has so many, and what follows them is
// refused without being read.

import EndpointsCore

/// A parsed endpoint string: a kind and its arguments, in order, with the columns they came from.
///
/// Arguments are separated by `:`; the first unescaped `=` of an argument parts its name from its
/// text; `\` takes away the meaning of the next scalar; a text that begins with `[` runs to the
/// matching `]` as it stands. Nothing is known here of which kinds and names exist.
public struct EndpointDescription: Hashable, Sendable, CustomStringConvertible {
    /// One argument: `text`, or `name=text`.
    public struct Argument: Hashable, Sendable {
        /// The name before `=`; `nil` for an argument given by its position.
        public let name: String?
        /// The text, escapes and brackets taken away; made anew each time.
        public var text: String { content.text }
        /// The place among the arguments given without a name, from 0; `nil` for one with a name.
        public let position: Int?
        /// Where the argument begins: its column, from 1, in Unicode scalars.
        public let column: Int
        /// Where its text begins, inside of brackets if there are any.
        public let textColumn: Int
        /// Whether the text stood in brackets.
        public let isBracketed: Bool

        let content: SourceText
        let range: Range<Int>
    }

    /// How deep endpoints may be nested in each other.
    public static let maximumDepth = 16
    /// How many arguments one level may have, those of the levels that it is a prefix of included.
    public static let maximumArgumentCount = 1000

    /// The kind, escapes taken away, in the letters it was written with.
    public let kind: String
    /// Where the kind begins.
    public let kindColumn: Int
    /// What follows the kind, in order.
    public let arguments: [Argument]
    /// The whole string that this was a part of; columns count in it.
    public let string: String

    let source: SourceText
    let depth: Int
    /// Whether more arguments follow than were parsed.
    let isCut: Bool

    /// Parses a string, in time linear to its length.
    ///
    /// - Throws: ``EndpointStringError`` for an empty kind, a name before the kind, a `\` at the
    ///   end, brackets that do not match and more arguments than ``maximumArgumentCount``.
    public init(_ string: String) throws(EndpointStringError) {
        // Without kinds nobody knows which arguments are secret: errors hide every value with a name.
        self = try EndpointRegistry().masking(string, .client) {
            description throws(EndpointStringError) in
            try description.refuseCut()
            return description
        }
    }

    /// Parses a whole string as far as anybody looks.
    init(start string: String) throws(EndpointStringError) {
        try self.init(SourceText(string), of: string, depth: 0)
    }

    /// Parses one level of a larger string.
    init(_ source: SourceText, of string: String, depth: Int) throws(EndpointStringError) {
        if depth > Self.maximumDepth {
            throw EndpointStringError(
                string,
                column: source.startColumn,
                "endpoints are nested more than \(Self.maximumDepth) deep"
            )
        }
        var parser = DescriptionParser(source, of: string)
        let kind = try parser.parseKind()
        self.kind = kind.text
        kindColumn = kind.column
        (arguments, isCut) = try parser.parseArguments()
        self.string = string
        self.source = source
        self.depth = depth
    }

    /// Parses one level as far as it can be read.
    ///
    /// - Returns: The level, and what could not be read; `nil` if not even the kind could.
    static func readable(
        _ source: SourceText,
        of string: String,
        depth: Int
    ) -> (EndpointDescription, unread: ArraySlice<SourceText.Scalar>)? {
        var parser = DescriptionParser(source, of: string)
        guard let kind = try? parser.parseKind() else { return nil }
        let (arguments, unread) = parser.parseReadableArguments()
        let description = EndpointDescription(
            kind: kind.text,
            kindColumn: kind.column,
            arguments: arguments,
            string: string,
            source: source,
            depth: depth,
            isCut: !unread.isEmpty
        )
        return (description, unread)
    }

    private init(
        kind: String,
        kindColumn: Int,
        arguments: [Argument],
        string: String,
        source: SourceText,
        depth: Int,
        isCut: Bool
    ) {
        self.kind = kind
        self.kindColumn = kindColumn
        self.arguments = arguments
        self.string = string
        self.source = source
        self.depth = depth
        self.isCut = isCut
    }

    /// The text of this level, as it was written.
    public var description: String { source.text }

    /// The arguments from one on, as they were written: escapes, brackets and all.
    ///
    /// - Parameter index: An index of ``arguments``; past the end there is no text.
    /// - Returns: The text.
    public func remainder(from index: Int) -> String {
        remainingSource(from: index).text
    }

    /// Parses an argument's text as an endpoint of its own.
    ///
    /// - Returns: The inner endpoint's description.
    /// - Throws: ``EndpointStringError``, also for an endpoint nested deeper than
    ///   ``maximumDepth``.
    public func nested(in argument: Argument) throws(EndpointStringError) -> EndpointDescription {
        try EndpointRegistry().masking { () throws(EndpointStringError) in
            let inner = try start(in: argument)
            try inner.refuseCut()
            return inner
        }
    }

    /// Parses the arguments from one on as an endpoint of its own, as a prefix kind does.
    ///
    /// - Parameter index: An index of ``arguments``.
    /// - Returns: The inner endpoint's description.
    /// - Throws: ``EndpointStringError``, also for an endpoint nested deeper than
    ///   ``maximumDepth``.
    public func nested(from index: Int) throws(EndpointStringError) -> EndpointDescription {
        try EndpointRegistry().masking { () throws(EndpointStringError) in
            let inner = try start(from: index)
            try inner.refuseCut()
            return inner
        }
    }

    /// Parses an argument's text as an endpoint, as far as anybody looks.
    func start(in argument: Argument) throws(EndpointStringError) -> EndpointDescription {
        try EndpointDescription(argument.content, of: string, depth: depth + 1)
    }

    /// Parses the arguments from one on as an endpoint, as far as anybody looks.
    func start(from index: Int) throws(EndpointStringError) -> EndpointDescription {
        try EndpointDescription(remainingSource(from: index), of: string, depth: depth + 1)
    }

    /// Refuses a level with more arguments than were parsed.
    func refuseCut() throws(EndpointStringError) {
        guard isCut, let last = arguments.last else { return }
        throw error(
            "an endpoint has more than \(Self.maximumArgumentCount) arguments",
            column: last.column
        )
    }

    /// Where something that is missing would have been.
    var endColumn: Int { source.endColumn }

    func raw(_ argument: Argument) -> String {
        SourceText(source.scalars[argument.range], endColumn: endColumn).text
    }

    func remainingSource(from index: Int) -> SourceText {
        guard arguments.indices.contains(index) else {
            return SourceText([], endColumn: source.endColumn)
        }
        let start = arguments[index].range.lowerBound
        return SourceText(source.scalars[start...], endColumn: source.endColumn)
    }

    func error(_ message: String, column: Int, hint: String? = nil) -> EndpointStringError {
        EndpointStringError(string, column: column, message, hint: hint)
    }
}
