// SourceText: text that remembers where it was written.
//
// An inner endpoint reaches its own reader with the outer level's escapes taken away, so that its
// columns are no longer those of the string on the screen. Hence each scalar carries its column
// from the start, and a slice or an unescaped copy keeps it: an error three levels down still
// points at the right place. Scalars, not characters: a colon and a combining accent are one
// `Character`, and still a separator and a text.

/// A piece of an endpoint string, each scalar with its column in the whole.
struct SourceText: Hashable, Sendable {
    struct Scalar: Hashable, Sendable {
        var value: Unicode.Scalar
        var column: Int
    }

    var scalars: ArraySlice<Scalar>
    /// The column just after the last scalar.
    var endColumn: Int

    /// Marks each scalar of a whole string with its column, from 1.
    init(_ string: String) {
        var scalars: [Scalar] = []
        scalars.reserveCapacity(string.utf8.count)
        for scalar in string.unicodeScalars {
            scalars.append(Scalar(value: scalar, column: scalars.count + 1))
        }
        self.scalars = scalars[...]
        endColumn = scalars.count + 1
    }

    init(_ scalars: ArraySlice<Scalar>, endColumn: Int) {
        self.scalars = scalars
        self.endColumn = endColumn
    }

    var startColumn: Int { scalars.first?.column ?? endColumn }

    var text: String {
        var view = String.UnicodeScalarView()
        for scalar in scalars { view.append(scalar.value) }
        return String(view)
    }
}
