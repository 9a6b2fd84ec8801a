import CEndpoints
import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("What is not TLS", .certificates, .timeLimit(.minutes(1)), .tags(.faults))
struct TLSFaultTests {
    @Test(
        "a server says what came instead of TLS",
        arguments: [
            ("GET / HTTP/1.1\r\n\r\n", "speaks plain HTTP, not TLS"),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY header before TLS"),
            ("EHLO example.com\r\n", "does not speak TLS; got \"EHLO example.com\\r\\n\""),
            ("\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}", "does not speak TLS"),
        ]
    )
    func server(text: String, words: String) async throws {
        let (near, far) = Connection.memoryPair()
        try await near.write(text.utf8)
        let error = await TLSTesting.failure {
            _ = try await far.startTLS(.server(try TLSTesting.server()))
        }
        #expect(error?.code == .handshakeFailed)
        #expect(error.says(words), "\(error?.description ?? "")")
        near.abort()
    }

    @Test(
        "a client says what came instead of TLS",
        arguments: [
            ("HTTP/1.1 400 Bad Request\r\n\r\n", "speaks plain HTTP, not TLS"),
            ("220 mail.example.com ESMTP\r\n", "does not speak TLS; got \"220 mail"),
        ]
    )
    func client(text: String, words: String) async throws {
        let (near, far) = Connection.memoryPair()
        try await far.write(text.utf8)
        let error = await TLSTesting.failure {
            _ = try await near.startTLS(.client(serverName: "localhost", try TLSTesting.client()))
        }
        #expect(error?.code == .handshakeFailed)
        #expect(error.says(words), "\(error?.description ?? "")")
        far.abort()
    }

    @Test("a peer that goes away in the middle is told apart from a refusal")
    func vanishing() async throws {
        let (near, far) = Connection.memoryPair()
        try await near.write([22, 3, 1, 2, 0, 1])
        await near.close()
        let error = await TLSTesting.failure {
            _ = try await far.startTLS(.server(try TLSTesting.server()))
        }
        #expect(error?.code == .handshakeFailed)
        #expect(error.says("in the middle of the handshake"))
    }

    @Test("random bytes end in an error, whatever they are")
    func garbage() async throws {
        let configuration = try TLSTesting.server()
        for seed in 0..<200 {
            let (near, far) = Connection.memoryPair()
            var bytes = pattern(200, seed: UInt64(seed))
            if seed.isMultiple(of: 2) { bytes.replaceSubrange(..<5, with: [22, 3, 1, 0, 195]) }
            try await near.write(bytes)
            try await near.closeWrite()
            let error = await TLSTesting.failure {
                _ = try await far.startTLS(.server(configuration))
            }
            #expect(error != nil, "seed \(seed)")
            near.abort()
        }
    }

    @Test("records changed on their way end the connection, and never give bytes")
    func changed() async throws {
        let (near, relayNear) = Connection.memoryPair()
        let (relayFar, far) = Connection.memoryPair()
        let isChanging = Flag()
        let forward = Task {
            while var chunk = try await relayNear.read(atMost: 65_536) {
                if isChanging.isSet { chunk[chunk.count - 1] ^= 1 }
                try await relayFar.write(chunk)
            }
        }
        let backward = Task {
            while let chunk = try await relayFar.read(atMost: 65_536) {
                try await relayNear.write(chunk)
            }
        }
        let (client, server) = try await TLSTesting.upgrade(near, far)
        isChanging.set()
        try await client.write("secret".utf8)
        let error = await TLSTesting.failure { _ = try await server.read(atMost: 10) }
        #expect(error.says("changed on its way"))
        for connection in [client, server, relayNear, relayFar] { connection.abort() }
        _ = await (forward.result, backward.result)
    }
}

private final class Flag: Sendable {
    private let state = Lock(false)
    var isSet: Bool { state.withLock { $0 } }
    func set() { state.withLock { $0 = true } }
}
