import Endpoints
import Foundation
import Testing

@testable import CallSites

@Suite("Call sites of connections", .timeLimit(.minutes(1)))
struct ConnectionCallSitesTests {
    @Test("facts are there without waiting")
    func theFacts() async throws {
        try await withServer { connection in
            facts(connection)
        } body: { client in
            try await client.withConnection { facts($0) }
        }
    }

    @Test("every form of reading, the last of which finds the peer's end")
    func theReading() async throws {
        let (near, far) = Connection.memoryPair()
        try await far.write("chunks".utf8)
        await far.close()
        let error = await #expect(throws: EndpointError.self) { try await reading(near) }
        #expect(error?.code == .unexpectedEnd)
        await near.close()
    }

    @Test("a user's frames")
    func frames() async throws {
        let (near, far) = Connection.memoryPair()
        try await far.write("12 345 6 ".utf8)
        await far.close()
        var numbers: [Int] = []
        for try await number in near.frames(Digits()) { numbers.append(number) }
        #expect(numbers == [12, 345, 6])
        await near.close()
    }

    @Test("an echo by a buffer of the library's, and by memory of the caller's")
    func echoes() async throws {
        let sent = [UInt8](repeating: 7, count: 100_000)
        let handlers: [@Sendable (isolated Connection) async throws -> Void] = [
            { connection in try await echoing(connection) },
            { connection in try await ownMemory(connection) },
        ]
        for handler in handlers {
            try await withServer(handler) { client in
                try await client.withConnection { connection in
                    async let written: Void = {
                        try await connection.write(sent)
                        try await connection.closeWrite()
                    }()
                    var answer: [UInt8] = []
                    for try await chunk in connection { answer += chunk }
                    try await written
                    #expect(answer == sent)
                }
            }
        }
    }

    @Test("every form of writing, in order")
    func theWriting() async throws {
        let path = "\(NSTemporaryDirectory())/call-sites-\(UUID().uuidString)"
        try Data("file".utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (near, far) = Connection.memoryPair()
        async let written: Void = writing(near, Array("abcd".utf8), [[120], [121, 122]], path)
        var text: [UInt8] = []
        for try await chunk in far { text += chunk }
        try await written
        let start = Array("abcdcd…".utf8) + [1, 2, 3]
        #expect(text == start + Array("abcdxyzfilefile".utf8))
        await near.close()
        await far.close()
    }

    @Test("how a connection ended")
    func theEnding() async throws {
        let (near, far) = Connection.memoryPair()
        await far.close()
        try await ending(near)
    }

    @Test("an upgrade fails where the peer speaks no TLS")
    func theUpgrading() async throws {
        let (near, far) = Connection.memoryPair()
        try await far.write("220 no TLS here\r\n".utf8)
        let error = await #expect(throws: EndpointError.self) { try await upgrading(near) }
        #expect(error?.code == .handshakeFailed)
        await far.close()
    }

    @Test("two connections are joined until both have ended")
    func theRelaying() async throws {
        let (client, a) = Connection.memoryPair()
        let (b, server) = Connection.memoryPair()
        try await client.write("question".utf8)
        try await client.closeWrite()
        try await server.write("answer".utf8)
        try await server.closeWrite()
        try await relaying(a, b)
        #expect(try await server.read(exactly: 8) == Array("question".utf8))
        #expect(try await client.read(exactly: 6) == Array("answer".utf8))
        for connection in [client, a, b, server] { await connection.close() }
    }

    @Test("a user's actor lives on the connection's loop")
    func actorOnLoop() async throws {
        let (near, far) = Connection.memoryPair()
        let irc = try await IRC(near)
        async let running: Void = irc.run()
        await irc.say("#bots", "hello")
        try await far.write("welcome\r\n".utf8)
        try await far.closeWrite()
        try await running
        #expect(
            try await far.read(exactly: 32) == Array("NICK bot\r\nPRIVMSG #bots :hello\r\n".utf8)
        )
        await near.close()
        await far.close()
    }
}
