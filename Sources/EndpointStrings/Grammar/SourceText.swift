// SourceText: text that remembers where it was written.
//
// An inner endpoint reaches its own reader with the outer level's escapes taken away, so that its
// columns are no longer those of the string on the screen. Hence each scalar carries its column
// from the start, and a slice or an unescaped copy keeps it: an error three levels down still
// points at the right place. Scalars, not characters: a colon and a combining accent are one
// `Character`, and still a separator and a text.
//
// A string may come from anybody and be of any length. So a scalar and its column take eight bytes,
// and each level of nesting is a slice of the one text: only what was unescaped is a copy.

import EndpointsCore

/// A piece of an endpoint string, each scalar with its column in the whole.
struct SourceText: Hashable, Sendable {
    struct Scalar: Hashable, Sendable {
        let value: Unicode.Scalar
        private let place: UInt32

        init(_ value: Unicode.Scalar, column: Int) {
            self.value = value
            place = UInt32(clamping: column)
        }

        var column: Int { Int(place) }
    }

    var scalars: ArraySlice<Scalar>
    /// The column just after the last scalar.
    var endColumn: Int

    /// Marks each scalar of a whole string with its column, from 1.
    init(_ string: String) {
        var scalars: [Scalar] = []
        scalars.reserveCapacity(string.utf8.count)
        for scalar in string.unicodeScalars {
            scalars.append(Scalar(scalar, column: scalars.count + 1))
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
        var bytes: [UInt8] = []
        bytes.reserveCapacity(scalars.count)
        for scalar in scalars {
            if scalar.value.isASCII {
                bytes.append(UInt8(truncatingIfNeeded: scalar.value.value))
            } else {
                bytes.append(contentsOf: scalar.value.utf8)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
