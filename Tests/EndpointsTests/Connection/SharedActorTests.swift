// Handlers of several loops that call one actor without an executor of its own. After the first wait
// such a task goes on wherever the actor runs just then: on another loop's thread, as often as not.

import EventLoop
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

/// How a handler reads the stream, which consists of units of 16 bytes.
private enum ReadForm: CaseIterable, Sendable {
    case buffer, span, exact, chunks, lines, lengthPrefixed, delimited

    static let unit = 16

    /// One unit, in which `number` is found again.
    func unit(_ number: Int) -> [UInt8] {
        let digits = Array(String(1_000_000_000_000 + number).utf8)  // 13 of them
        switch self {
        case .lengthPrefixed: return [0, 14] + digits + [0]
        default: return digits + Array("..\n".utf8)
        }
    }
}

/// An actor that runs wherever there is a thread for it.
private actor Room {
    private(set) var served = 0

    /// Keeps whoever comes waiting, to be taken on by the thread that runs this.
    func beBusy() {
        var sum = 0
        for number in 0..<20_000 { sum &+= number &* sum }
        served += sum & 0
    }

    /// Sends back what comes, to the end.
    func run(_ connection: Connection, _ form: ReadForm) async throws {
        defer { served += 1 }
        switch form {
        case .buffer:
            var buffer = ReadBuffer()
            while try await connection.read(into: &buffer) > 0 {
                try await connection.write(buffer)
                buffer.removeAll()
            }
        case .span:
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 1)
            defer { room.deallocate() }
            while true {
                var span = OutputRawSpan(buffer: room, initializedCount: 0)
                let count = try await connection.read(into: &span)
                _ = span.finalize(for: room)
                if count == 0 { break }
                try await connection.write(room[..<count])
            }
        case .exact:
            do {
                while true {
                    let bytes = try await connection.read(exactly: ReadForm.unit)
                    try await connection.write([Array(bytes.prefix(3)), Array(bytes.dropFirst(3))])
                }
            } catch let error as EndpointError where error.code == .unexpectedEnd {
                #expect(error.received.isEmpty)
            }
        case .chunks:
            for try await chunk in connection { try await connection.write(chunk) }
        case .lines:
            for try await line in connection.lines() {
                try await connection.write("\(line)\n".utf8)
            }
        case .lengthPrefixed:
            for try await frame in connection.frames(.lengthPrefixed(UInt16.self)) {
                try await connection.write([0, UInt8(frame.count)] + frame)
            }
        case .delimited:
            for try await frame in connection.frames(.delimited(by: UInt8(ascii: "\n"))) {
                try await connection.write(frame + [UInt8(ascii: "\n")])
            }
        }
        try await connection.closeWrite()
    }
}

@Suite("Connections of two loops in one actor's hands", .certificates, .timeLimit(.minutes(1)))
struct SharedActorTests {
    private static let clients = 8
    private static let units = 40

    @Test(
        "every form of reading and writing goes on wherever the actor runs",
        arguments: ReadForm.allCases,
        [false, true]
    )
    fileprivate func everyForm(form: ReadForm, overTLS: Bool) async throws {
        let server = try TLSTesting.server()
        try await withListener { listening in
            let room = Room()
            let serving = Task {
                try await listening.listener.serve { connection in
                    let connection =
                        overTLS ? try await connection.startTLS(.server(server)) : connection
                    try await room.run(connection, form)
                }
            }
            let isOver = Tally()
            let visitors = [
                listening.context.loops.loops[0], listening.context.loops.loops[1], nil,
            ].map { place in
                Task(executorPreference: place) {
                    while isOver.value == 0 {
                        await room.beBusy()
                        await Task.yield()
                    }
                }
            }
            defer { isOver.add() }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for client in 0..<Self.clients {
                    group.addTask { try await talk(listening, form, overTLS, client * 1000) }
                }
                try await group.waitForAll()
            }
            #expect(await room.served == Self.clients)
            isOver.add()
            for visitor in visitors { await visitor.value }
            serving.cancel()
            _ = await serving.result
        }
    }

    /// Sends units, and expects each of them back.
    private func talk(
        _ listening: Listening,
        _ form: ReadForm,
        _ overTLS: Bool,
        _ start: Int
    ) async throws {
        let wire = try await listening.connect()
        let (near, far) = Connection.memoryPair()
        // In parts, so that a record or a frame is seldom whole when the handler wakes.
        let forward = Task {
            while let bytes = try await far.read(atMost: 23) {
                try await wire.write(bytes)
                for _ in 0..<3 { await Task.yield() }
            }
            try await wire.closeWrite()
        }
        let backward = Task {
            while let bytes = try await wire.read(atMost: 65_536) { try await far.write(bytes) }
            try await far.closeWrite()
        }
        let client =
            overTLS
            ? try await near.startTLS(.client(serverName: "localhost", try TLSTesting.client()))
            : near
        for number in start..<start + Self.units {
            let unit = form.unit(number)
            try await client.write(unit)
            #expect(try await client.read(exactly: unit.count) == unit)
        }
        try await client.closeWrite()
        #expect(try await client.read(atMost: 1) == nil)
        await client.close()
        _ = await (forward.result, backward.result)
        await far.close()
        await wire.close()
    }
}
