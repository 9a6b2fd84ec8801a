import COpenSSL
import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// Records that carry nothing for whoever reads.
@Suite("A TLS peer that sends what is no data", .certificates, .timeLimit(.minutes(1)))
struct TLSFloodTests {
    @Test("a read that gets nothing out of it gives the others a turn")
    func turns() async throws {
        let (client, server) = try await TLSTesting.pair()
        try await client.changeKeys(times: 1_800)
        try await client.write("data".utf8)
        let (turns, bytes) = try await server.readsUntilData()
        #expect(turns > 0)
        #expect(bytes == Array("data".utf8))
        await client.close()
        await server.close()
    }

    @Test("one that goes on and on is given less time at once")
    func lessAtOnce() async throws {
        let (client, server) = try await TLSTesting.pair()
        try await client.changeKeys(times: 1_800)
        try await server.readNothing()
        try await client.changeKeys(times: 1_800)
        try await client.write("data".utf8)
        let (turns, bytes) = try await server.readsUntilData()
        #expect(turns >= 10)
        #expect(bytes == Array("data".utf8))
        await client.close()
        await server.close()
    }

    @Test("records of a byte are counted against the job, however many one read could take")
    func tinyRecords() async throws {
        let (client, server) = try await TLSTesting.pair()
        let bytes = numberedBytes(1_000)
        for byte in bytes { try await client.write([byte]) }
        let first = await server.perform { server in
            var room = [UInt8](repeating: 0, count: 2_000)
            let count = room.withUnsafeMutableBytes { server.transport.read(into: $0) }.rawValue
            return Array(room[..<max(count, 0)])
        }
        #expect((1...200).contains(first.count))
        #expect(try await first + server.read(exactly: bytes.count - first.count) == bytes)
        await client.close()
        await server.close()
    }

    @Test("what comes behind it is read", arguments: [0, 1, 2])
    func data(layers: Int) async throws {
        var (client, server) = try await TLSTesting.pair()
        for _ in 0..<layers { (client, server) = try await TLSTesting.upgrade(client, server) }
        let reading = Task { [server] in try await server.read(exactly: 4) }
        for _ in 0..<3 { try await client.changeKeys(times: 500) }
        try await client.write("data".utf8)
        #expect(try await reading.value == Array("data".utf8))
        await client.close()
        await server.close()
    }

    @Test("a peer that asks for answers and takes them late is served when it has taken them")
    func answers() async throws {
        try await withPair { near, far in
            let (client, server) = try await TLSTesting.upgrade(near, far)
            // A write waits for room, and behind it the answers, until no more are kept. When there is room
            // at last, it is enough for all of them, and the kernel tells of it but once.
            let isFull = Tally()
            async let sent = server.write(zeros: 60_000, until: isFull)
            try await server.untilWriting()
            isFull.add()
            async let echo: Void = server.write(server.read(exactly: 4))
            while await !server.perform({ $0.readerNeedsWritable }) {
                try await client.changeKeys(times: 50, asking: true)
                try await client.untilSent(or: server)
            }
            async let writing: Void = client.write("data".utf8)
            #expect(try await client.zeros(before: "data") == (try await sent))
            try await writing
            try await echo
        }
    }

    @Test("an end behind it is noticed by those who wait for it")
    func end() async throws {
        let (client, server) = try await TLSTesting.pair()
        try await client.changeKeys(times: 1_800)
        try await client.closeWrite()
        guard case .peerClosed = try await server.ended() else {
            Issue.record("another end")
            return
        }
        #expect(try await server.read(atMost: 1) == nil)
        await client.close()
        await server.close()
    }
}

extension Connection {
    /// Sends key updates (RFC 8446, section 4.6.3), which ask for an answer or not.
    fileprivate func changeKeys(times: Int, asking: Bool = false) throws {
        let tls = try #require(transport as? TLSTransport)
        let kind = asking ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED
        for _ in 0..<times {
            endpoints_clear_errors()
            try #require(SSL_key_update(tls.ssl, kind) == 1)
            try #require(SSL_do_handshake(tls.ssl) == 1)
        }
    }

    /// Writes zeros, so many at a time, until `isFull`; answers how many.
    fileprivate func write(zeros count: Int, until isFull: Tally) async throws -> Int {
        let bytes = [UInt8](repeating: 0, count: count)
        var sent = 0
        while isFull.value == 0 {
            try await write(bytes)
            sent += count
        }
        return sent
    }

    /// Reads zeros and then `text`; answers how many.
    fileprivate func zeros(before text: String) async throws -> Int {
        var count = 0
        while let bytes = try await read(atMost: 65_536) {
            guard let start = bytes.firstIndex(where: { $0 != 0 }) else {
                count += bytes.count
                continue
            }
            let rest = Array(bytes[start...])
            #expect(
                try await rest + read(exactly: text.utf8.count - rest.count) == Array(text.utf8)
            )
            return count + start
        }
        return count
    }

    /// Waits until all key updates have left, or `peer` takes no more.
    fileprivate func untilSent(or peer: Connection) async throws {
        while try sendsKept(), await !peer.perform({ $0.readerNeedsWritable }) {
            try await loop.sleep(for: .milliseconds(1))
        }
    }

    /// Whether some are left after a try.
    private func sendsKept() throws -> Bool {
        try #require(transport as? TLSTransport).flush() != nil
    }

    /// Reads the transport till it is empty, and gets nothing.
    fileprivate func readNothing() throws {
        var buffer = [UInt8](repeating: 0, count: 64)
        while true {
            let transfer = buffer.withUnsafeMutableBytes { transport.read(into: $0) }
            if transfer.wouldBlock { return }
            try #require(transfer == .needsTurn)
        }
    }

    /// Reads the transport till there are bytes; answers how often it asked for a turn meanwhile.
    fileprivate func readsUntilData() throws -> (turns: Int, bytes: [UInt8]) {
        var buffer = [UInt8](repeating: 0, count: 64)
        var turns = 0
        while true {
            let transfer = buffer.withUnsafeMutableBytes { transport.read(into: $0) }
            if transfer.isMoved { return (turns, Array(buffer[..<transfer.rawValue])) }
            try #require(transfer == .needsTurn)
            turns += 1
        }
    }
}
