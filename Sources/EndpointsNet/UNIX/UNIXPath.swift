// The path of a UNIX socket as an argument (unix(7)).
//
// A NUL at the beginning is the abstract namespace, which has no file. Strings and terminals cannot
// show a NUL, so such a name is read from, kept and printed as `@name`; a file of that name is
// `./@name`.

import EndpointStrings
import EndpointsCore

extension EndpointArgumentFormat where Value == String {
    /// A path of 1 to 107 bytes, or `@` and a name in the abstract namespace.
    static var unixPath: Self {
        EndpointArgumentFormat(
            expected: "a path of 1 to 107 bytes, or @ and an abstract name",
            read: { text in
                let path = withoutNUL(text)
                if path.utf8.contains(0) {
                    throw EndpointArgumentError("has a NUL after its beginning")
                }
                if path == "@" { throw EndpointArgumentError("has no name after the @") }
                let count = path.utf8.count
                if count > 107 { throw EndpointArgumentError("has \(count) bytes") }
                return path
            },
            write: withoutNUL
        )
    }

    /// The printable form: `@` for a NUL at the beginning.
    private static func withoutNUL(_ path: String) -> String {
        path.unicodeScalars.first == "\0" ? "@" + String(path.unicodeScalars.dropFirst()) : path
    }
}

extension EndpointArgumentFormat where Value == String {
    /// The name or the number of a user or a group; looked up when it is used.
    static func account(_ what: String) -> Self {
        EndpointArgumentFormat(
            expected: "the name or the number of a \(what)",
            read: { text in
                if text.utf8.contains(0) { throw EndpointArgumentError() }
                return text
            },
            write: { $0 }
        )
    }
}
