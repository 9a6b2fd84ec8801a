// Certificates for one test, and what ours needs to use them.

import Endpoints
import RealPeers
import Testing

/// A folder that Peers/certificates.sh has filled.
struct Certificates: Sendable {
    let folder: String

    func file(_ name: String) -> String { "\(folder)/\(name)" }

    var authority: String { file("ca.pem") }

    func server(_ name: String = "localhost") -> TLSServerConfiguration {
        TLSServerConfiguration(privateKey: file("\(name).key"), certificate: file("\(name).pem"))
    }

    /// A server that lets in only whom the authority vouches for.
    func strictServer() -> TLSServerConfiguration {
        var server = server()
        server.clientCertificate = .require
        server.clientRoots = .file(authority)
        return server
    }

    /// A client that trusts the authority, and shows a certificate if one is named.
    func client(_ name: String? = nil) -> TLSClientConfiguration {
        var client = TLSClientConfiguration(trustRoots: .file(authority))
        client.certificate = name.map { file("\($0).pem") }
        client.privateKey = name.map { file("\($0).key") }
        return client
    }

    /// A client's endpoint for a peer at a port of this machine, which calls itself `localhost`.
    func endpoint(
        _ port: String,
        _ configuration: TLSClientConfiguration? = nil
    ) throws -> TLSClientEndpoint {
        var endpoint = TLSClientEndpoint(
            host: "127.0.0.1",
            port: try #require(UInt16(port)),
            configuration ?? client()
        )
        endpoint.serverName = "localhost"
        return endpoint
    }
}

extension Peers {
    /// Makes the certificates of this test.
    func certificates() async throws -> Certificates {
        let folder = path("certificates")
        let script = try start("\(Self.folder)/Peers/certificates.sh", folder)
        #expect(try await script.waitForExit() == .status(0))
        return Certificates(folder: folder)
    }
}

/// Only one version of TLS.
protocol Versioned {
    var minimumVersion: TLSVersion { get set }
    var maximumVersion: TLSVersion? { get set }
}

extension TLSServerConfiguration: Versioned {}
extension TLSClientConfiguration: Versioned {}

extension Versioned {
    func only(_ version: TLSVersion) -> Self {
        var copy = self
        copy.minimumVersion = version
        copy.maximumVersion = version
        return copy
    }
}
