import CEndpoints
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Key log", .tags(.security))
struct KeyLogFileTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("keys")
    }

    private func make(_ name: String, mode: mode_t) throws {
        let file = endpoints_open(directory.file(name), O_CREAT | O_WRONLY, mode)
        try #require(file >= 0)
        fchmod(file, mode)
        _ = endpoints_close(file)
    }

    private func refusal() throws -> TLSFileError {
        let error = #expect(throws: TLSFileError.self) { try KeyLogFile(path) }
        // What `explain --check` asks says the same.
        #expect(KeyLogFile.refusal(at: path)?.reason == error?.reason)
        return try #require(error)
    }

    @Test("a file of our own is made private, and appended to")
    func appends() throws {
        #expect(KeyLogFile.refusal(at: path) == nil)
        for line in ["one", "two"] {
            let log = try KeyLogFile(path)
            line.withCString { log.append($0) }
        }
        #expect(try FileReading.bytes(of: path, argument: "") == Array("one\ntwo\n".utf8))
        var file = endpoints_file()
        _ = endpoints_lstat(path, &file)
        #expect(file.mode & 0o777 == 0o600)
    }

    @Test("a file that others may use is refused", arguments: [0o644, 0o640, 0o620, 0o602, 0o604])
    func modes(mode: Int) throws {
        try make("keys", mode: mode_t(mode))
        let error = try refusal()
        #expect(error.reason == "can be used by others than its owner")
        #expect(error.advice == "chmod 600 makes it private")
    }

    @Test("a symbolic link is not followed, wherever it points")
    func links() throws {
        try make("target", mode: 0o600)
        for target in ["target", "not there"] {
            try #require(symlink(directory.file(target), path) == 0)
            #expect(try refusal().reason == "is a symbolic link")
            unlink(path)
        }
        #expect(directory.entries == ["target"])
    }

    @Test("a hard link, a pipe, a directory and a device are refused")
    func kinds() throws {
        try make("other", mode: 0o600)
        try #require(link(directory.file("other"), path) == 0)
        #expect(try refusal().reason == "has more than one name (hard links)")
        unlink(path)
        try #require(mkfifo(path, 0o600) == 0)
        #expect(throws: TLSFileError.self) { try KeyLogFile(path) }
        #expect(KeyLogFile.refusal(at: path) != nil)
        unlink(path)
        #expect(throws: TLSFileError.self) { try KeyLogFile(directory.path) }
        #expect(throws: TLSFileError.self) { try KeyLogFile("/dev/null") }
    }

    @Test("somebody else's file is refused", .enabled(if: geteuid() == 0))
    func owners() throws {
        try make("keys", mode: 0o600)
        try #require(chown(path, 4242, 4242) == 0)
        #expect(try refusal().reason == "belongs to another user")
    }

    @Test("a client whose key log is refused does not connect, and says why")
    func endpoint() async throws {
        try make("keys", mode: 0o644)
        let client = try clientFromString("tls:127.0.0.1:1:keyLog=\(path)")
        let error = await #expect(throws: EndpointError.self) { try await client.connect() }
        #expect("\(try #require(error))".contains("can be used by others than its owner"))
    }
}
