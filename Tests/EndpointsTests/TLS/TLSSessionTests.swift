import CEndpoints
import EventLoop
import Foundation
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Resuming sessions", .certificates, .timeLimit(.minutes(1)))
struct TLSSessionTests {
    /// Whether a connection with these was resumed, as both sides see it.
    private func isResumed(
        _ client: TLSClientConfiguration,
        _ server: TLSServerConfiguration
    ) async throws -> Bool {
        let (near, far) = try await TLSTesting.pair(client, server)
        // Tickets of TLS 1.3 come behind the handshake.
        try await far.write("x".utf8)
        _ = try await near.read(exactly: 1)
        #expect(near.tls?.isResumed == far.tls?.isResumed)
        #expect(near.tls?.isPeerVerified == true)
        await near.close()
        await far.close()
        return near.tls?.isResumed == true
    }

    @Test("the second connection resumes the first", arguments: TLSVersion.allCases)
    func resumes(version: TLSVersion) async throws {
        var client = try TLSTesting.client()
        client.minimumVersion = version
        client.maximumVersion = version
        let server = try TLSTesting.server()
        #expect(try await !isResumed(client, server))
        // More often than there were tickets at first: each connection brings a new one.
        for _ in 0..<5 { #expect(try await isResumed(client, server)) }
    }

    @Test(
        "tickets and their keys live for as long as somebody likes",
        arguments: [.seconds(Int64.max), .seconds(1e19)] as [Duration]
    )
    func longLives(lifetime: Duration) async throws {
        let client = try TLSTesting.client()
        var server = try TLSTesting.server()
        server.ticketLifetime = lifetime
        server.ticketKeyLifetime = lifetime
        #expect(try await !isResumed(client, server))
        #expect(try await isResumed(client, server))
    }

    /// What a server does first, which sends the tickets that it holds back until then.
    enum FirstAct: String, CaseIterable { case writes, waitsToRead, waitsForTheEnd, closes }

    @Test("tickets leave with what a server does first", arguments: FirstAct.allCases)
    func tickets(firstAct: FirstAct) async throws {
        let client = try TLSTesting.client()
        let server = try TLSTesting.server()
        for isKnown in [false, true] {
            let (near, far) = try await TLSTesting.pair(client, server)
            #expect(near.tls?.isResumed == isKnown)
            let act = Task {
                switch firstAct {
                case .writes: try await far.write("x".utf8)
                case .waitsToRead: _ = try await far.read(atMost: 1)
                case .waitsForTheEnd: _ = try await far.ended()
                case .closes: await far.close()
                }
            }
            switch firstAct {
            case .waitsToRead: try await far.untilReading()
            case .waitsForTheEnd: try await far.until { $0.extras?.endWaiters.count == 1 }
            case .writes, .closes: break
            }
            // The first attempt finds what has come, the tickets before all else.
            let reader = Task { try await near.read(atMost: 1) }
            switch firstAct {
            case .writes, .closes: _ = try await reader.value
            case .waitsToRead, .waitsForTheEnd: try await near.untilReading()
            }
            reader.cancel()
            await near.close()
            _ = await act.result
            await far.close()
        }
    }

    @Test(
        "as many connections at a time are resumed as there are tickets",
        arguments: [nil, 0, 1, 3]
    )
    func parallel(count: Int?) async throws {
        let client = try TLSTesting.client()
        var server = try TLSTesting.server()
        if let count { server.ticketCount = count }
        #expect(try await !isResumed(client, server))
        var pairs: [(Connection, Connection)] = []
        for _ in 0..<5 { pairs.append(try await TLSTesting.pair(client, server)) }
        #expect(pairs.filter { $0.0.tls?.isResumed == true }.count == count ?? 1)
        for (near, far) in pairs {
            await near.close()
            await far.close()
        }
    }

    @Test("tickets survive one change of their key, not two, and a reload")
    func rotation() async throws {
        let client = try TLSTesting.client()
        let server = try TLSTesting.server()
        #expect(try await !isResumed(client, server))
        try server.reload()
        #expect(try await isResumed(client, server))
        server.state.current?.ticketKeys.rotate()
        #expect(try await isResumed(client, server))
        for _ in 0..<2 { server.state.current?.ticketKeys.rotate() }
        #expect(try await !isResumed(client, server))
    }

    @Test("a server without tickets and a client without memory resume nothing")
    func off() async throws {
        var client = try TLSTesting.client()
        var server = try TLSTesting.server()
        server.ticketCount = 0
        for version in TLSVersion.allCases {
            client.maximumVersion = version
            for _ in 0..<2 {
                let resumed = try await isResumed(client, server)
                #expect(!resumed)
            }
        }
        client.resumesSessions = false
        server.ticketCount = 2
        for _ in 0..<2 {
            let resumed = try await isResumed(client, server)
            #expect(!resumed)
        }
    }

    @Test("a verified client is still known when it resumes")
    func verified() async throws {
        let zoo = try TLSTesting.zoo()
        var client = try TLSTesting.client()
        client.certificate = zoo.file("client.pem")
        client.privateKey = zoo.file("client.key")
        var server = try TLSTesting.server()
        server.clientCertificate = .require
        server.clientRoots = .file(zoo.file("ca.pem"))
        for round in 0..<2 {
            let (near, far) = try await TLSTesting.pair(client, server)
            try await far.write("x".utf8)
            _ = try await near.read(exactly: 1)
            #expect(far.tls?.isResumed == (round == 1))
            #expect(far.tls?.isPeerVerified == true)
            #expect(far.tls?.peerCertificates.first?.subject == "CN=alice")
            await near.close()
            await far.close()
        }
    }
}

@Suite("New certificates", .certificates, .timeLimit(.minutes(1)))
struct TLSReloadTests {
    /// A folder with `tls.key` and `tls.pem`, which are copies.
    private func folder(_ name: String) throws -> String {
        let zoo = try TLSTesting.zoo()
        let path = zoo.file("reload-\(UUID().uuidString)")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for kind in ["key", "pem"] { try put("\(name).\(kind)", into: "\(path)/tls.\(kind)") }
        return path
    }

    private func put(_ name: String, into path: String) throws {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: try TLSTesting.zoo().file(name)))
        try bytes.write(to: URL(fileURLWithPath: path))
    }

    private func subject(_ server: TLSServerConfiguration) async throws -> String? {
        let client = TLSClientConfiguration(trustRoots: .insecurelyTrustsAnybody)
        let (near, far) = try await TLSTesting.pair(client, server)
        await near.close()
        await far.close()
        return near.tls?.peerCertificates.first?.subject
    }

    @Test("a reload serves new connections, and leaves the old ones alone")
    func reload() async throws {
        let path = try folder("one")
        let server = TLSServerConfiguration(
            privateKey: "\(path)/tls.key",
            certificate: "\(path)/tls.pem"
        )
        let client = TLSClientConfiguration(trustRoots: .insecurelyTrustsAnybody)
        let (near, far) = try await TLSTesting.pair(client, server)
        try put("two.key", into: "\(path)/tls.key")
        #expect(throws: EndpointError.self) { try server.reload() }
        #expect(try await subject(server) == "CN=one")
        try put("two.pem", into: "\(path)/tls.pem")
        try server.reload()
        #expect(try await subject(server) == "CN=two")
        try await near.write("x".utf8)
        #expect(try await far.read(exactly: 1) == Array("x".utf8))
        await near.close()
        await far.close()
    }

    @Test("a listener that watches its files takes what a link is pointed at")
    func watch() async throws {
        let old = try folder("one")
        let new = try folder("two")
        let link = "\(old)-link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: old)
        let endpoint = try serverFromString(
            "tls:0:interface=127.0.0.1:reload=0.02:privateKey=\(link)/tls.key:certKey=\(link)/tls.pem"
        )
        let listener = try await endpoint.listen()
        let port = try #require(listener.addresses.first?.port)
        let serving = Task {
            try await listener.serve { connection in
                while try await connection.read(atMost: 1) != nil {}
            }
        }
        let client = TLSClientEndpoint(
            host: "127.0.0.1",
            port: port,
            TLSClientConfiguration(trustRoots: .insecurelyTrustsAnybody)
        )
        func subject() async throws -> String? {
            try await client.withConnection { $0.tls?.peerCertificates.first?.subject }
        }
        #expect(try await subject() == "CN=one")
        try FileManager.default.createSymbolicLink(atPath: "\(link)2", withDestinationPath: new)
        rename("\(link)2", link)
        while try await subject() != "CN=two" {}
        await listener.close()
        try await serving.value
    }
}
