#if canImport(Glibc)
import EndpointStrings
import EndpointsCore
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension ProcessEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async {
        if let directory {
            var status = stat()
            if stat(directory, &status) != 0 {
                list.fail("directory", "\"\(directory)\": \(SystemError(errno: errno))")
            } else if status.st_mode & S_IFMT != S_IFDIR {
                list.fail("directory", "\"\(directory)\" is no directory")
            } else if access(directory, X_OK) != 0 {
                list.fail("directory", "\"\(directory)\": \(SystemError(errno: errno))")
            } else {
                list.pass("directory", "\"\(directory)\" is there")
            }
        }
        checkProgram(&list)
    }

    private func checkProgram(_ list: inout CheckList) {
        if path.utf8.contains(UInt8(ascii: "/")) {
            // A relative one is looked for in the program's own directory.
            let isRelative = !path.hasPrefix("/")
            let file = directory.flatMap { isRelative ? "\($0)/\(path)" : nil } ?? path
            if let flaw = Self.flaw(of: file) {
                list.fail("path", "\"\(file)\" \(flaw)")
            } else {
                list.pass("path", "\"\(file)\" can be run")
            }
            return
        }
        // execvp(3): the first that can be run.
        let variable = getenv("PATH").map { String(cString: $0) } ?? "/bin:/usr/bin"
        var found: (file: String, flaw: String)?
        for directory in variable.split(separator: ":", omittingEmptySubsequences: false) {
            let file = "\(directory.isEmpty ? "." : directory)/\(path)"
            guard let flaw = Self.flaw(of: file) else {
                list.pass("path", "\"\(path)\" is \(file)")
                return
            }
            if access(file, F_OK) == 0, found == nil { found = (file, flaw) }
        }
        if let found {
            list.fail("path", "\"\(found.file)\" \(found.flaw)")
        } else {
            list.fail("path", "\"\(path)\" is in no directory of PATH")
        }
    }

    /// Why a file cannot be run.
    private static func flaw(of file: String) -> String? {
        var status = stat()
        if stat(file, &status) != 0 { return "cannot be found: \(SystemError(errno: errno))" }
        if status.st_mode & S_IFMT != S_IFREG { return "is no file" }
        return access(file, X_OK) == 0 ? nil : "cannot be run: \(SystemError(errno: errno))"
    }
}
