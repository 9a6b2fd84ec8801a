// Words in one text. Backslashes, colons and equals signs mean something to the string around it, so
// the words use none of them: spaces between, single quotes round a word that needs them, and two
// single quotes for one inside. Commas would be no better a separator: programs' options are full of
// them.

import EndpointStrings
import EndpointsCore

extension EndpointArgumentFormat where Value == [String] {
    /// Words with spaces between them; a word in single quotes may hold anything, `''` being a quote.
    static var words: Self {
        EndpointArgumentFormat(
            expected: "words with spaces between them, or in single quotes",
            read: { text in try ProgramArguments.parse(text) },
            write: { $0.isEmpty ? nil : ProgramArguments.print($0) }
        )
    }
}

extension EndpointArgumentFormat where Value == String {
    /// A text that a system call can take.
    static var withoutNUL: Self {
        EndpointArgumentFormat(
            expected: "a text without NUL",
            read: { text in
                if text.utf8.contains(0) { throw EndpointArgumentError() }
                return text
            },
            write: { $0 }
        )
    }
}

enum ProgramArguments {
    static func parse(_ text: String) throws -> [String] {
        var words: [String] = []
        var rest = text.unicodeScalars[...]
        while true {
            rest = rest.drop { $0 == " " }
            guard let first = rest.first else { return words }
            if first == "'" {
                words.append(try quotedWord(&rest))
            } else {
                let word = rest.prefix { $0 != " " }
                if word.contains("'") {
                    throw EndpointArgumentError(
                        "has a quote inside a word",
                        hint: "put the whole word in single quotes, and '' for a quote in it"
                    )
                }
                rest = rest.dropFirst(word.count)
                words.append(String(word))
            }
            if words.last?.utf8.contains(0) == true { throw EndpointArgumentError("holds a NUL") }
        }
    }

    private static func quotedWord(_ rest: inout Substring.UnicodeScalarView) throws -> String {
        var word = String.UnicodeScalarView()
        rest = rest.dropFirst()
        while let scalar = rest.popFirst() {
            guard scalar == "'" else {
                word.append(scalar)
                continue
            }
            if rest.first == "'" {
                word.append("'")
                rest = rest.dropFirst()
                continue
            }
            guard rest.isEmpty || rest.first == " " else {
                throw EndpointArgumentError("has no space after a closing quote")
            }
            return String(word)
        }
        throw EndpointArgumentError("has a quote that is not closed")
    }

    static func print(_ words: [String]) -> String {
        words.map { word in
            let scalars = word.unicodeScalars
            if !scalars.isEmpty, !scalars.contains(where: { $0 == " " || $0 == "'" }) {
                return word
            }
            var quoted = "'"
            for scalar in scalars {
                quoted.unicodeScalars.append(scalar)
                if scalar == "'" { quoted.unicodeScalars.append(scalar) }
            }
            return quoted + "'"
        }.joined(separator: " ")
    }
}
