import EventLoop
import Logging
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// What the tests of TLS share.
enum TLSTesting {
    static func zoo() throws -> CertificateZoo {
        try #require(CertificateZoo.shared, "the openssl command makes the certificates")
    }

    static func client() throws -> TLSClientConfiguration {
        TLSClientConfiguration(trustRoots: .file(try zoo().file("ca.pem")))
    }

    static func server(_ name: String = "localhost") throws -> TLSServerConfiguration {
        TLSServerConfiguration(
            privateKey: try zoo().file("\(name).key"),
            certificate: try zoo().file("\(name).pem")
        )
    }

    /// Two ends, joined in memory, both over TLS.
    static func pair(
        _ client: TLSClientConfiguration? = nil,
        _ server: TLSServerConfiguration? = nil,
        serverName: String = "localhost"
    ) async throws -> (client: Connection, server: Connection) {
        let (near, far) = Connection.memoryPair()
        return try await upgrade(near, far, client, server, serverName: serverName)
    }

    static func upgrade(
        _ near: Connection,
        _ far: Connection,
        _ client: TLSClientConfiguration? = nil,
        _ server: TLSServerConfiguration? = nil,
        serverName: String = "localhost"
    ) async throws -> (client: Connection, server: Connection) {
        let server = try server ?? Self.server()
        let client = try client ?? Self.client()
        async let secured = far.startTLS(.server(server))
        let secureNear = try await near.startTLS(.client(serverName: serverName, client))
        return (secureNear, try await secured)
    }

    /// What each side says of a handshake that must not succeed.
    static func refusals(
        _ client: TLSClientConfiguration,
        _ server: TLSServerConfiguration,
        serverName: String = "localhost"
    ) async throws -> (client: EndpointError?, server: EndpointError?) {
        let (near, far) = Connection.memoryPair()
        async let server = failure {
            let secure = try await far.startTLS(.server(server))
            _ = try await secure.read(atMost: 1)
            await secure.close()
        }
        let client = await failure {
            let secure = try await near.startTLS(.client(serverName: serverName, client))
            // If nobody refuses anything, neither side waits for ever.
            try? await secure.write("x".utf8)
            _ = try await secure.read(atMost: 1)
            await secure.close()
        }
        return (client, await server)
    }

    static func failure(_ body: @Sendable () async throws -> Void) async -> EndpointError? {
        do {
            try await body()
            return nil
        } catch {
            return error as? EndpointError
        }
    }
}

/// A wall clock that tests set.
final class WallClock: Sendable {
    private let ahead = Lock(0)

    var now: @Sendable () -> Int {
        { self.ahead.withLock { $0 } + TLSCertificate.Time.now.secondsSince1970 }
    }

    func advance(by duration: Duration) {
        ahead.withLock { $0 += Int(duration.components.seconds) }
    }
}

/// Bytes that look random and can be made again.
func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

extension EndpointError? {
    /// Whether the one line that a user reads has these words in it.
    func says(_ words: String) -> Bool { self?.description.contains(words) == true }
}
