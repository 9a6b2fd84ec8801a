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

@Suite("Upgrading a connection", .certificates, .timeLimit(.minutes(1)))
struct TLSUpgradeTests {
    @Test("what is said before and after the upgrade arrives")
    func dialogue() async throws {
        let (near, far) = Connection.memoryPair()
        let configuration = try TLSTesting.server()
        async let answered: Void = {
            for try await line in far.lines() where line == "STARTTLS" { break }
            try await far.write("220 go ahead\r\n".utf8)
            let secure = try await far.startTLS(.server(configuration))
            for try await line in secure.lines() {
                try await secure.write("250 \(line)\r\n".utf8)
                break
            }
            await far.close()
        }()
        try await near.write("STARTTLS\r\n".utf8)
        #expect(try await near.read(exactly: 14) == Array("220 go ahead\r\n".utf8))
        let secure = try await near.startTLS(
            .client(serverName: "localhost", try TLSTesting.client())
        )
        try await secure.write("NOOP\r\n".utf8)
        #expect(try await secure.read(exactly: 10) == Array("250 NOOP\r\n".utf8))
        // Closing the old one ends the new one, in order.
        #expect(try await secure.read(atMost: 1) == nil)
        try await answered
        await secure.close()
    }

    @Test("what was slipped in before the handshake is refused", .tags(.security))
    func injection() async throws {
        let (near, far) = Connection.memoryPair()
        try await near.write("STARTTLS\r\nRSET\r\n".utf8)
        for try await line in far.lines() where line == "STARTTLS" { break }
        let error = await TLSTesting.failure {
            _ = try await far.startTLS(.server(try TLSTesting.server()))
        }
        #expect(error?.code == .handshakeFailed)
        #expect(error.says("came in the clear"))
        await near.close()
        await far.close()
    }

    @Test("the old connection is used up, and the new one has its number")
    func usedUp() async throws {
        let (near, far) = Connection.memoryPair()
        let (client, server) = try await TLSTesting.upgrade(near, far)
        let error = await TLSTesting.failure { try await near.write("x".utf8) }
        #expect(error?.code == .closed)
        #expect(client.id == near.id && server.id == far.id && near.id != far.id)
        near.abort()
        let lost = await TLSTesting.failure { _ = try await client.read(atMost: 1) }
        #expect(lost?.code == .closed)
        server.abort()
    }

    @Test(
        "what is called during the handshake is refused, and none of it leaves in the clear",
        .tags(.security)
    )
    func calledMeanwhile() async throws {
        try await withPair(.unix) { near, far in
            let upgrading = Task { [configuration = try TLSTesting.client()] in
                try await near.startTLS(.client(serverName: "localhost", configuration))
            }
            // The ClientHello has left, and the handshake waits for the answer.
            try await near.untilReading()
            let results = Lock<[EndpointError.Code?]>([])
            let calls: [@Sendable () async throws -> Void] = [
                { try await near.write("secret".utf8) },
                { try await near.write([Array("sec".utf8), Array("ret".utf8)]) },
                { try await near.sendFile(try TLSTesting.zoo().file("ca.pem")) },
                { try await near.closeWrite() },
                { _ = try await near.read(atMost: 9) },
                { _ = try await near.read(exactly: 9) },
                { for try await _ in near.lines() {} },
                { _ = try await near.startTLS(.client(serverName: "localhost")) },
                { _ = try await near.detach() },
            ]
            let tasks = calls.map { call in
                Task {
                    let found = await code { try await call() }
                    results.withLock { $0.append(found) }
                }
            }
            // None of them waits for its turn.
            for task in tasks { await task.value }
            #expect(results.withLock { $0 } == .init(repeating: .busy, count: calls.count))
            let server = try await far.startTLS(.server(try TLSTesting.server()))
            let client = try await upgrading.value
            try await client.write("after".utf8)
            #expect(try await server.read(exactly: 5) == Array("after".utf8))
            await client.close()
            #expect(try await server.read(atMost: 1) == nil)
        }
    }

    @Test(
        "a write that waits for its turn when the handshake begins has the upgrade refused",
        .tags(.security)
    )
    func writerInLine() async throws {
        try await withPair(.unix) { near, far in
            let bytes = numberedBytes(2_000_000)
            let first = Task { try await near.write(bytes) }
            try await near.untilWriting()
            let second = Task { try await near.write("second".utf8) }
            try await near.until { $0.extras?.writersInLine.count == 1 }
            let found = await code {
                _ = try await near.startTLS(
                    .client(serverName: "localhost", try TLSTesting.client())
                )
            }
            #expect(found == .busy)
            #expect(try await far.read(exactly: bytes.count) == bytes)
            #expect(try await far.read(exactly: 6) == Array("second".utf8))
            try await first.value
            try await second.value
        }
    }

    @Test("a configuration that is wrong leaves the connection as it was")
    func wrongConfiguration() async throws {
        let (near, far) = Connection.memoryPair()
        let error = await TLSTesting.failure {
            _ = try await far.startTLS(.server(TLSServerConfiguration(privateKey: "/nowhere.pem")))
        }
        #expect(error?.code == .notFound)
        #expect(error.says("privateKey \"/nowhere.pem\""))
        try await far.write("still here".utf8)
        #expect(try await near.read(exactly: 10) == Array("still here".utf8))
        await near.close()
        await far.close()
    }

    @Test("names that cannot be verified are refused", arguments: ["", ".example.com", "a b", "*"])
    func names(name: String) async throws {
        let (near, far) = Connection.memoryPair()
        let error = await TLSTesting.failure {
            _ = try await near.startTLS(.client(serverName: name))
        }
        #expect(error?.code == .invalidArgument)
        await near.close()
        await far.close()
    }
}

@Suite("Cancelling TLS", .certificates, .timeLimit(.minutes(1)), .tags(.cancellation))
struct TLSCancellationTests {
    @Test("a cancelled handshake ends at once, and the peer sees a reset")
    func handshake() async throws {
        let (near, far) = try await SocketPair.make()
        let configuration = try TLSTesting.client()
        let task = Task {
            try await near.startTLS(.client(serverName: "localhost", configuration), timeout: nil)
        }
        // The ClientHello has left: from here on it waits for the peer.
        _ = try await far.read(exactly: 5)
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
        let error = await TLSTesting.failure { while try await far.read(atMost: 4096) != nil {} }
        #expect(error?.code == .connectionReset)
        let closed = await TLSTesting.failure { try await near.write("x".utf8) }
        #expect(closed?.code == .closed)
        await far.close()
    }

    @Test("a peer that says nothing is given up in time", .tags(.faults))
    func deadline() async throws {
        let (near, far) = Connection.memoryPair()
        let error = await TLSTesting.failure {
            _ = try await far.startTLS(
                .server(try TLSTesting.server()),
                timeout: .milliseconds(30)
            )
        }
        #expect(error?.code == .timedOut)
        #expect(error.says("not finished after 0.03 s"))
        near.abort()
    }

    @Test("a cancelled read loses nothing")
    func read() async throws {
        let (client, server) = try await TLSTesting.pair()
        let reader = Task { try await client.read(exactly: 6) }
        try await server.write("abc".utf8)
        while await client.isolatedCount < 3 {}
        reader.cancel()
        await #expect(throws: CancellationError.self) { _ = try await reader.value }
        try await server.write("def".utf8)
        #expect(try await client.read(exactly: 6) == Array("abcdef".utf8))
        await client.close()
        await server.close()
    }

    @Test("a cancelled write that has begun ends the stream, and never looks like a whole one")
    func write() async throws {
        let (client, server) = try await TLSTesting.pair()
        let writer = Task { try await client.write([UInt8](repeating: 7, count: 4 << 20)) }
        #expect(try await server.read(exactly: 1) == [7])
        writer.cancel()
        await #expect(throws: CancellationError.self) { try await writer.value }
        let refused = await TLSTesting.failure { try await client.write("x".utf8) }
        #expect(refused?.code == .partialWrite)
        try await server.write("still".utf8)
        #expect(try await client.read(exactly: 5) == Array("still".utf8))
        await client.close()
        let error = await TLSTesting.failure {
            while try await server.read(atMost: 65_536) != nil {}
        }
        #expect(error?.code == .connectionReset || error?.code == .truncated)
        server.abort()
    }
}

extension Connection {
    fileprivate var isolatedCount: Int { bytesRead }
}
