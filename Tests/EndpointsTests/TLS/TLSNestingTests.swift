import EventLoop
import Foundation
import Logging
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("TLS in TLS", .certificates, .timeLimit(.minutes(1)))
struct TLSNestingTests {
    /// Both layers of a client, whose peers are two: one ends the layer that is on the wire, and passes
    /// on what is in it, the other speaks the layer within.
    private struct Ends {
        let client: Connection
        let server: Connection
        let relaying: Task<Void, any Error>
        /// Whether the stream on the wire has ended in our direction.
        let hasSeenEnd = Lock(false)

        init(hasPrefix: Bool) async throws {
            let (near, far) = try await SocketPair.make()
            var (client, middle) = try await TLSTesting.upgrade(near, far)
            if hasPrefix { client = try await client.withPrefix() }
            let (passage, end) = Connection.memoryPair()
            relaying = Task { [middle, hasSeenEnd] in
                async let back: Void = {
                    for try await chunk in passage { try await middle.write(chunk) }
                    await middle.close()
                }()
                for try await chunk in middle { try await passage.write(chunk) }
                hasSeenEnd.withLock { $0 = true }
                try await passage.closeWrite()
                try await back
                await passage.close()
            }
            (self.client, server) = try await TLSTesting.upgrade(client, end)
        }

        /// Waits until the layer on the wire has ended in both directions.
        func relayed() async throws {
            try await withTaskCancellationHandler {
                _ = try await relaying.value
            } onCancel: {
                relaying.cancel()
            }
        }
    }

    @Test("half-closing ends the layer within, and no other", arguments: [true, false])
    func halfClose(hasPrefix: Bool) async throws {
        let ends = try await Ends(hasPrefix: hasPrefix)
        try await ends.client.write("question".utf8)
        try await ends.client.closeWrite()
        #expect(try await ends.server.read(exactly: 8) == Array("question".utf8))
        #expect(try await ends.server.read(atMost: 1) == nil)
        try await ends.server.write("answer".utf8)
        try await ends.server.closeWrite()
        #expect(try await ends.client.read(exactly: 6) == Array("answer".utf8))
        #expect(try await ends.client.read(atMost: 1) == nil)
        #expect(ends.hasSeenEnd.withLock { $0 } == false)
        // Now both layers end, each in order.
        await ends.client.close()
        await ends.server.close()
        try await ends.relayed()
        #expect(ends.hasSeenEnd.withLock { $0 })
    }

    @Test("a peer that ends all at the first end on the wire cuts nothing off")
    func eagerPeer() async throws {
        let (near, far) = try await SocketPair.make()
        let (wire, middle) = try await TLSTesting.upgrade(near, far)
        let (passage, end) = Connection.memoryPair()
        // As RFC 5246, section 7.2.1, asks of a peer of TLS 1.2.
        let there = Task {
            for try await chunk in middle { try await passage.write(chunk) }
            await middle.close()
        }
        let back = Task { for try await chunk in passage { try await middle.write(chunk) } }
        let (client, server) = try await TLSTesting.upgrade(wire, end)
        try await client.write("question".utf8)
        try await client.closeWrite()
        #expect(try await server.read(exactly: 8) == Array("question".utf8))
        #expect(try await server.read(atMost: 1) == nil)
        let answer = pattern(300_000)
        async let sent: Void = server.write(answer)
        #expect(try await client.read(exactly: answer.count) == answer)
        try await sent
        await client.close()
        try await there.value
        await server.close()
        _ = await back.result
    }

    @Test("closing truncates no layer", arguments: [true, false])
    func close(hasPrefix: Bool) async throws {
        let ends = try await Ends(hasPrefix: hasPrefix)
        let bytes = pattern(100_000)
        async let came = ends.server.read(exactly: bytes.count)
        try await ends.client.write(bytes)
        #expect(try await came == bytes)
        async let closed: Void = ends.client.close()
        #expect(try await ends.server.read(atMost: 1) == nil)
        await ends.server.close()
        try await ends.relayed()
        await closed
    }
}

@Suite("New certificates for TLS in TLS", .certificates, .timeLimit(.minutes(1)))
struct TLSNestedReloadTests {
    /// A server with a certificate for each layer, and what its clients see.
    private struct Server {
        let endpoint: any ServerEndpoint
        let listener: Listener
        let folder: String
        let serving: Task<Void, any Error>

        /// `between` is the prefix of what stands between the layers.
        init(_ between: String) async throws {
            folder = try TLSTesting.zoo().file("nested-\(UUID().uuidString)")
            try FileManager.default.createDirectory(
                atPath: folder,
                withIntermediateDirectories: true
            )
            for layer in ["wire", "within"] { try Self.put("localhost", as: layer, in: folder) }
            endpoint = try serverFromString(
                "tls:endpoint=[\(between)tls:0:interface=127.0.0.1:privateKey=\(folder)/within.pem]"
                    + ":privateKey=\(folder)/wire.pem"
            )
            let listener = try await endpoint.listen()
            self.listener = listener
            serving = Task { try await listener.serve { _ = try await $0.read(atMost: 1) } }
        }

        static func put(_ name: String, as layer: String, in folder: String) throws {
            let zoo = try TLSTesting.zoo()
            var bytes = Data()
            for kind in ["key", "pem"] {
                bytes += try Data(contentsOf: URL(fileURLWithPath: zoo.file("\(name).\(kind)")))
            }
            try bytes.write(to: URL(fileURLWithPath: "\(folder)/\(layer).pem"))
        }

        func put(_ name: String, as layer: String) throws {
            try Self.put(name, as: layer, in: folder)
        }

        func spoil(_ layer: String) throws {
            try Data("nothing".utf8).write(to: URL(fileURLWithPath: "\(folder)/\(layer).pem"))
        }

        /// The subjects of the layer on the wire, and of the one within.
        func subjects(_ between: String) async throws -> [String?] {
            let port = try #require(listener.addresses.first?.port)
            let trust = TLSClientConfiguration(trustRoots: .insecurelyTrustsAnybody)
            var wire: any ClientEndpoint = TLSClientEndpoint(host: "127.0.0.1", port: port, trust)
            let outer = try await wire.withConnection { $0.tls?.peerCertificates.first?.subject }
            if !between.isEmpty { wire = ProxyClientEndpoint(wire) }
            var within = TLSClientEndpoint(host: "localhost", port: port, trust)
            within.endpoint = wire
            let inner = try await within.withConnection { connection in
                connection.tls?.peerCertificates.first?.subject
            }
            return [outer, inner]
        }

        func end() async throws {
            await listener.close()
            try await serving.value
            try FileManager.default.removeItem(atPath: folder)
        }
    }

    @Test("each layer reads its own", arguments: ["", "haproxy:from=127.0.0.1:"])
    func reload(between: String) async throws {
        let server = try await Server(between)
        #expect(server.endpoint.isReloadable)
        #expect(try await server.subjects(between) == ["CN=localhost", "CN=localhost"])
        try server.put("one", as: "wire")
        try server.put("two", as: "within")
        try server.endpoint.reload()
        #expect(try await server.subjects(between) == ["CN=one", "CN=two"])
        try server.put("two", as: "wire")
        try server.put("one", as: "within")
        try server.endpoint.reload(logger: Logger(label: "test"))
        #expect(try await server.subjects(between) == ["CN=two", "CN=one"])
        try await server.end()
    }

    @Test("an error keeps what its layer had, names its file, and does not stop the other layer")
    func errors() async throws {
        let server = try await Server("")
        try server.spoil("wire")
        try server.put("two", as: "within")
        var error = await TLSTesting.failure { try server.endpoint.reload() }
        #expect(error.says("wire.pem") && !error.says("within.pem\":"))
        #expect(try await server.subjects("") == ["CN=localhost", "CN=two"])
        try server.put("one", as: "wire")
        try server.spoil("within")
        error = await TLSTesting.failure { try server.endpoint.reload() }
        #expect(error.says("within.pem\":"))
        #expect(try await server.subjects("") == ["CN=one", "CN=two"])
        try server.spoil("wire")
        error = await TLSTesting.failure { try server.endpoint.reload() }
        #expect(error.says("wire.pem\":") && error.says("within.pem\":"))
        #expect(try await server.subjects("") == ["CN=one", "CN=two"])
        try await server.end()
    }
}

extension Connection {
    fileprivate func withPrefix() throws -> Connection {
        try replaceTransport { PrefixTransport([], $0) }
    }
}
