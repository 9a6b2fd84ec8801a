// New certificates while clients connect without pause: none of them may notice more than the new name.

import Endpoints
import Foundation
import RealPeers
import Testing

@Suite("New certificates under load", .serialized, .timeLimit(.minutes(2)))
struct TLSReloadTests {
    @Test("reload: no connection fails, and what is new is served at once")
    func reload() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            try certificates.put("localhost", as: "current")
            let server = certificates.server("current")
            try await withTLSServer(server, echo) { port, _ in
                try await Self.load(try certificates.endpoint(port)) { subject in
                    for round in 1...100 {
                        let name = round.isMultiple(of: 2) ? "localhost" : "renewed"
                        try certificates.put(name, as: "current")
                        try server.reload()
                        let served = try await subject()
                        #expect(served == "CN=\(name)")
                    }
                }
            }
        }
    }

    @Test("a link that is pointed elsewhere is followed, and no connection fails")
    func links() async throws {
        try await Peers.scope { peers in
            let certificates = try await peers.certificates()
            for name in ["localhost", "renewed"] {
                try FileManager.default.createDirectory(
                    atPath: certificates.file("\(name).d"),
                    withIntermediateDirectories: true
                )
                try certificates.put(name, as: "\(name).d/tls")
            }
            try certificates.link("localhost.d")
            let string =
                "tls:0:interface=127.0.0.1:reload=0.02:"
                + "privateKey=\(certificates.file("live/tls.key")):"
                + "certKey=\(certificates.file("live/tls.pem"))"
            try await withServer(try serverFromString(string), echo) { port, _ in
                try await Self.load(try certificates.endpoint(port)) { subject in
                    for round in 1...10 {
                        let name = round.isMultiple(of: 2) ? "localhost" : "renewed"
                        try certificates.link("\(name).d")
                        while try await subject() != "CN=\(name)" { try Task.checkCancellation() }
                    }
                }
            }
        }
    }

    /// Connects without pause, full handshakes and resumed ones, until `body` is done, which can ask
    /// for the subject of the certificate that a new client gets.
    private static func load(
        _ endpoint: TLSClientEndpoint,
        _ body: (_ subject: () async throws -> String?) async throws -> Void
    ) async throws {
        var anew = endpoint
        anew.configuration.resumesSessions = false
        let fresh = anew
        let isOver = Flag()
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for one in [fresh, fresh, endpoint] {
                group.addTask {
                    var count = 0
                    while !isOver.isSet {
                        try await one.withConnection { connection in
                            try await connection.write([7])
                            #expect(try await connection.read(exactly: 1) == [7])
                        }
                        count += 1
                    }
                    return count
                }
            }
            try await body {
                try await fresh.withConnection { $0.tls?.peerCertificates.first?.subject }
            }
            isOver.set()
            return try await group.reduce(0, +)
        }
        #expect(count > 10)
    }
}

extension Certificates {
    /// Puts a key and a certificate in another's place.
    fileprivate func put(_ name: String, as other: String) throws {
        for kind in ["key", "pem"] { try copy("\(name).\(kind)", to: "\(other).\(kind)") }
    }

    /// Points `live` at a folder, in one step.
    fileprivate func link(_ folder: String) throws {
        try FileManager.default.createSymbolicLink(
            atPath: file("next"),
            withDestinationPath: file(folder)
        )
        #expect(rename(file("next"), file("live")) == 0)
    }
}
