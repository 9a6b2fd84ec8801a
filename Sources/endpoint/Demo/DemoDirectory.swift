import Endpoints
import Glibc

/// A directory of the demonstration's own, for sockets.
struct DemoDirectory: Sendable {
    let path: String

    /// Makes it in `TMPDIR`, else in /tmp.
    ///
    /// - Throws: ``EndpointError``.
    init() throws {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/endpoint-demo.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw EndpointError(errno: errno, operation: "make a directory in", endpoint: parent)
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Removes it; its sockets are gone with their listeners.
    func remove() { rmdir(path) }
}
