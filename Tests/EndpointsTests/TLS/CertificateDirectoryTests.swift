import Foundation
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("A directory of certificates", .certificates, .timeLimit(.minutes(1)))
struct CertificateDirectoryTests {
    private let folder: TemporaryDirectory
    private let server: TLSServerConfiguration

    /// Two pairs, each in two files.
    init() throws {
        folder = try TemporaryDirectory()
        server = TLSServerConfiguration(directory: folder.path)
        for name in ["one", "two"] {
            try Self.put("\(name).key", as: folder.file("\(name).key.pem"))
            try Self.put("\(name).pem", as: folder.file("\(name).pem"))
        }
    }

    private static func put(_ name: String, as path: String) throws {
        try Data(contentsOf: URL(fileURLWithPath: try TLSTesting.zoo().file(name)))
            .write(to: URL(fileURLWithPath: path))
        chmod(path, 0o600)
    }

    /// Puts in one more pair.
    private func add(_ name: String) throws {
        for kind in ["key", "pem"] {
            let path = folder.file(kind == "key" ? "\(name).key.pem" : "\(name).pem")
            try Self.put("\(name).\(kind)", as: path)
        }
    }

    private func warnings() throws -> [String] {
        try server.reload()
        return try #require(server.state.current).warnings
            .map { $0.replacing(folder.path, with: "…") }
    }

    @Test("keys of every kind find their certificates, also in another encoding of the key")
    func kinds() async throws {
        for name in ["rsa", "ed25519", "compressed"] { try add(name) }
        for name in ["one", "two", "rsa", "ed25519", "compressed"] {
            #expect(try await subject("\(name).example") == "CN=\(name)")
        }
        #expect(try warnings() == [])
    }

    @Test("a key that everybody can read is a warning")
    func readableKey() throws {
        #expect(try warnings() == [])
        chmod(folder.file("two.pem"), 0o644)
        #expect(try warnings() == [])
        chmod(folder.file("two.key.pem"), 0o644)
        #expect(try warnings() == ["private key \"…/two.key.pem\" can be read by everybody"])
    }

    @Test("of two certificates for a name the newer is used, and both are reported")
    func newer() async throws {
        try add("older")
        let warnings = try warnings()
        #expect(warnings.count == 1)
        let words = [
            "\"one.example\": both \"…/one.pem\" and \"…/older.pem\" have a certificate",
            "the one in \"…/one.pem\" is used, which is newer (valid from 20",
            ", not 2024-01-01 00:00:00 UTC)",
        ]
        for words in words { #expect(warnings.first?.contains(words) == true, "\(warnings)") }
        #expect(try await subject("one.example") == "CN=one")
    }

    @Test("of two certificates for a name the valid one is used, and both are reported")
    func valid() throws {
        for name in ["localhost", "expired"] { try add(name) }
        let warnings = try warnings().filter { $0.contains("have a certificate") }
        #expect(
            warnings == [
                "\"localhost\": both \"…/localhost.pem\" and \"…/expired.pem\" have a certificate;"
                    + " the one in \"…/localhost.pem\" is used, since the other is not valid now"
            ]
        )
    }

    @Test("a certificate that the configuration names comes before a directory's")
    func named() throws {
        let zoo = try TLSTesting.zoo()
        var server = server
        server.identities = [
            TLSIdentity(privateKey: zoo.file("older.key"), certificate: zoo.file("older.pem"))
        ]
        try server.reload()
        let warnings = try #require(server.state.current).warnings
        #expect(warnings.count == 1)
        #expect(warnings.first?.hasSuffix("is used, which the configuration names first") == true)
    }

    private func subject(_ name: String) async throws -> String? {
        let trust = TLSClientConfiguration(trustRoots: .insecurelyTrustsAnybody)
        let (near, far) = try await TLSTesting.pair(trust, server, serverName: name)
        await near.close()
        await far.close()
        return near.tls?.peerCertificates.first?.subject
    }

    /// A moment in the middle of replacing the pair `one`.
    enum Moment: String, CaseIterable {
        case newKey, newCertificate, noKey, noCertificate, halfAKey, halfACertificate, emptyKey
        case emptyCertificate
    }

    private func replace(_ moment: Moment) throws {
        let (key, certificate) = (folder.file("one.key.pem"), folder.file("one.pem"))
        func cut(_ path: String, to count: Int) throws {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            try bytes.prefix(count).write(to: URL(fileURLWithPath: path))
        }
        switch moment {
        case .newKey: try Self.put("localhost.key", as: key)
        case .newCertificate: try Self.put("localhost.pem", as: certificate)
        case .noKey: try FileManager.default.removeItem(atPath: key)
        case .noCertificate: try FileManager.default.removeItem(atPath: certificate)
        case .halfAKey: try cut(key, to: 100)
        case .halfACertificate: try cut(certificate, to: 100)
        case .emptyKey: try cut(key, to: 0)
        case .emptyCertificate: try cut(certificate, to: 0)
        }
    }

    @Test("a pair of which half is written stays what it was", arguments: Moment.allCases)
    func halfWritten(moment: Moment) async throws {
        #expect(try await subject("one.example") == "CN=one")
        try replace(moment)
        try server.reload()
        #expect(try await subject("one.example") == "CN=one")
        #expect(try await subject("two.example") == "CN=two")
        let warnings = try #require(server.state.current).warnings
        #expect(warnings.contains { $0.contains("half of a pair") && $0.contains("CN=one") })
        // Once both halves are there, they count.
        try Self.put("wildcard.key", as: folder.file("one.key.pem"))
        try Self.put("wildcard.pem", as: folder.file("one.pem"))
        try server.reload()
        #expect(try await subject("a.example.com") == "CN=wildcard")
        #expect(try #require(server.state.current).warnings.isEmpty)
        #expect(try await subject("one.example") != "CN=one")
    }

    @Test("a pair that was taken away is served no more")
    func takenAway() async throws {
        #expect(try await subject("one.example") == "CN=one")
        try FileManager.default.removeItem(atPath: folder.file("one.key.pem"))
        try FileManager.default.removeItem(atPath: folder.file("one.pem"))
        try server.reload()
        #expect(try await subject("one.example") == "CN=two")
        #expect(try #require(server.state.current).warnings.isEmpty)
    }

    @Test("links that lead back up are not followed again and again")
    func loops() async throws {
        let manager = FileManager.default
        try manager.createDirectory(atPath: folder.file("sub"), withIntermediateDirectories: false)
        defer { try? manager.removeItem(atPath: folder.file("sub")) }
        for name in ["a", "b", "c"] {
            try manager.createSymbolicLink(
                atPath: folder.file("sub/\(name)"),
                withDestinationPath: ".."
            )
        }
        try Self.put("client.key", as: folder.file("stray.pem"))
        #expect(try await subject("two.example") == "CN=two")
        #expect(try #require(server.state.current).warnings.count == 1)
    }
}
