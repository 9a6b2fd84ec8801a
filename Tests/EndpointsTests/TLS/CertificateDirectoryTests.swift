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
