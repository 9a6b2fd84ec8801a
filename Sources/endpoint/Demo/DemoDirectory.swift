import Endpoints
import Glibc

/// A directory of the demonstration's own, for sockets and a certificate.
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
        do { try DemoCertificate.write(to: certificate) } catch {
            remove()
            throw error
        }
    }

    /// A file with a key and its certificate.
    var certificate: String { file("localhost.pem") }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Removes it; its sockets are gone with their listeners.
    func remove() {
        unlink(certificate)
        rmdir(path)
    }
}
