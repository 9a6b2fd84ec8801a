// Every kind of suspended call, as CancelledKind.swift asks for it.

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

typealias CallMaker = @Sendable (CallSetting) async throws -> PreparedCall

/// All kinds, by name.
let cancelledKinds: [(name: String, make: CallMaker)] = [
    ("connect", connecting),
    ("read(atMost:)", reading(first: [], rest: [1, 2]) { try await $0.read(atMost: 9) ?? [] }),
    ("read(exactly:)", reading(first: [1], rest: [2, 3]) { try await $0.read(exactly: 3) }),
    (
        "read(into: ReadBuffer)",
        reading(first: [], rest: [1, 2]) {
            var buffer = ReadBuffer()
            let count = try await $0.read(into: &buffer)
            return buffer.prefix(count)
        }
    ),
    (
        "read(into: OutputRawSpan)",
        reading(first: [], rest: [1, 2]) { connection in
            var bytes = [UInt8](repeating: 0, count: 9)
            let count = try await readIntoSpan(connection, &bytes)
            return Array(bytes[..<count])
        }
    ),
    (
        "read by the owner",
        reading(first: [1], rest: [2, 3]) {
            try await $0.perform { connection in
                try await connection.withOwner { try await $0.read(exactly: 3) }
            }
        }
    ),
    (
        "chunks",
        reading(first: [], rest: [1, 2]) {
            for try await chunk in $0 { return chunk }
            return []
        }
    ),
    (
        "lines",
        reading(first: Array("ab".utf8), rest: Array("c\n".utf8)) {
            for try await line in $0.lines() { return Array("\(line)\n".utf8) }
            return []
        }
    ),
    (
        "frames",
        reading(first: [0, 2, 7], rest: [8]) {
            for try await frame in $0.frames(.lengthPrefixed(UInt16.self, limit: 9)) {
                return [0, 2] + frame
            }
            return []
        }
    ),
    (
        "withTimeout",
        reading(first: [1], rest: [2, 3]) { connection in
            try await withTimeout(.seconds(3600)) { try await connection.read(exactly: 3) }
        }
    ),
    ("write", writing { try await $0.write($1) }),
    (
        "write of parts",
        writing { try await $0.write([Array($1.prefix(2)), Array($1.dropFirst(2))]) }
    ),
    ("write half-way", writingHalfWay),
    ("sendFile", sending),
    ("write in line", inLine { try await $0.write([7, 8, 9]) }),
    ("closeWrite", inLine(isEnd: true) { try await $0.closeWrite() }),
    ("close", closing),
    ("ended", ending),
    ("accept", accepting),
    ("serve", serving),
    ("drain", draining),
    ("relay", relaying),
]

// MARK: reading

/// Its first bytes are there, the rest is not.
private func reading(
    first: [UInt8],
    rest: [UInt8],
    _ read: @escaping @Sendable (Connection) async throws -> [UInt8]
) -> CallMaker {
    { setting in
        let loop = setting.group().loops[0]
        let wire = try Wire(setting, on: loop)
        let connection = wire.connection
        wire.send(first)
        let body: @Sendable () async throws -> Bool = {
            try await read(connection) == first + rest
        }
        return PreparedCall(
            loop: loop,
            body: body,
            isWaiting: {
                connection.isReading && connection.bytesRead == first.count
            },
            makeReady: { wire.send(rest) },
            finish: { isDone, isReady in
                // No byte is lost: the next read gets what this one did not.
                if !isDone {
                    if !isReady { wire.send(rest) }
                    let isWhole = try await body()
                    #expect(isWhole)
                }
                wire.send([42])
                let next = try await connection.read(atMost: 9)
                #expect(next == [42])
                await connection.close()
            }
        )
    }
}

private func readIntoSpan(_ connection: Connection, _ bytes: inout [UInt8]) async throws -> Int {
    // The span's memory must stay where it is while the call waits.
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { buffer.deallocate() }
    var span = OutputRawSpan(buffer: buffer, initializedCount: 0)
    let count = try await connection.read(into: &span)
    _ = span.finalize(for: buffer)
    for index in 0..<count { bytes[index] = buffer[index] }
    return count
}

// MARK: writing

/// There is no room for a single byte.
private func writing(
    _ write: @escaping @Sendable (Connection, [UInt8]) async throws -> Void
) -> CallMaker {
    { setting in
        let loop = setting.group().loops[0]
        let wire = try Wire(setting, on: loop)
        return waitingForRoom(wire, [UInt8](repeating: 7, count: 300)) { connection, bytes in
            try await write(connection, bytes)
        }
    }
}

private func waitingForRoom(
    _ wire: Wire,
    _ bytes: [UInt8],
    _ write: @escaping @Sendable (Connection, [UInt8]) async throws -> Void
) -> PreparedCall {
    let connection = wire.connection
    let filled = [UInt8](repeating: 0, count: wire.fill())
    return PreparedCall(
        loop: connection.loop,
        body: {
            try await write(connection, bytes)
            return true
        },
        isWaiting: { connection.extras?.writeGate?.call.operation == .write },
        makeReady: { wire.drain() },
        finish: { isDone, _ in
            // All of it has left or nothing has; either way the connection is usable.
            wire.drain()
            try await connection.write([42])
            await connection.close()
            #expect(await wire.drainToEnd() == filled + (isDone ? bytes : []) + [42])
        }
    )
}

private let sending: CallMaker = { setting in
    let bytes = [UInt8](repeating: 7, count: 300)
    let path = try setting.directory.make("file", bytes)
    let wire = try Wire(setting, on: setting.group().loops[0])
    return waitingForRoom(wire, bytes) { connection, _ in try await connection.sendFile(path) }
}

/// Some of it has left, and there is no room for the rest.
private let writingHalfWay: CallMaker = { setting in
    let loop = setting.group().loops[0]
    let wire = try Wire(setting, on: loop)
    let connection = wire.connection
    let bytes = wire.overfull()
    return PreparedCall(
        loop: loop,
        body: {
            try await connection.write(bytes)
            return true
        },
        isWaiting: { connection.extras?.writeGate?.call.operation == .write },
        makeReady: { wire.drain() },
        finish: { isDone, _ in
            let hasBegun = await connection.perform { $0.bytesWritten > 0 }
            wire.drain()
            if isDone || !hasBegun {
                try await connection.write([42])
            } else {
                #expect(await code { try await connection.write([42]) } == .partialWrite)
            }
            // Reading works in any case.
            wire.send([1])
            #expect(try await connection.read(exactly: 1) == [1])
            await connection.close()
            let arrived = await wire.drainToEnd()
            if isDone || !hasBegun {
                #expect(arrived == (isDone ? bytes : []) + [42])
            } else {
                #expect(arrived == Array(bytes.prefix(arrived.count)))
                #expect(arrived.count < bytes.count)
            }
        }
    )
}

/// Another write is under way.
private func inLine(
    isEnd: Bool = false,
    _ write: @escaping @Sendable (Connection) async throws -> Void
) -> CallMaker {
    { setting in
        let loop = setting.group().loops[0]
        let wire = try Wire(setting, on: loop)
        let connection = wire.connection
        let bytes = wire.overfull()
        let first = Task { try await connection.write(bytes) }
        while await !onLoop(loop, { connection.extras?.writeGate?.call.operation == .write }) {
            await Task.yield()
        }
        return PreparedCall(
            loop: loop,
            body: {
                try await write(connection)
                return true
            },
            isWaiting: { connection.extras?.writersInLine.count == 1 },
            makeReady: { wire.drain() },
            finish: { isDone, _ in
                wire.drain()
                try await first.value
                // What was cancelled may be called again.
                if !isDone { try await write(connection) }
                if isEnd {
                    #expect(await code { try await connection.write([1]) } == .closed)
                    #expect(await wire.drainToEnd() == bytes)
                    await connection.close()
                } else {
                    await connection.close()
                    #expect(await wire.drainToEnd() == bytes + [7, 8, 9])
                }
            }
        )
    }
}

// MARK: ending

/// A write is under way; a cancelled close aborts it.
private let closing: CallMaker = { setting in
    let loop = setting.group().loops[0]
    let wire = try Wire(setting, on: loop)
    let connection = wire.connection
    let bytes = wire.overfull()
    let first = Task { try await connection.write(bytes) }
    while await !onLoop(loop, { connection.extras?.writeGate?.call.operation == .write }) {
        await Task.yield()
    }
    return PreparedCall(
        loop: loop,
        body: {
            await connection.close()
            return await code { try await first.value } == nil
        },
        isWaiting: { connection.phase == .closing },
        makeReady: { wire.drain() },
        finish: { isDone, _ in
            #expect(await connection.perform { $0.phase } == .closed)
            let arrived = await wire.drainToEnd()
            #expect(isDone ? arrived == bytes : arrived.count <= bytes.count)
            #expect(await code { try await connection.read(atMost: 1) } == .closed)
        }
    )
}

private let ending: CallMaker = { setting in
    let loop = setting.group().loops[0]
    let wire = try Wire(setting, on: loop)
    let connection = wire.connection
    return PreparedCall(
        loop: loop,
        body: {
            if case .peerClosed = try await connection.ended() { true } else { false }
        },
        isWaiting: { connection.extras?.endWaiters.count == 1 },
        makeReady: { wire.end() },
        finish: { isDone, isReady in
            if !isReady { wire.end() }
            #expect(try await connection.read(atMost: 1) == nil)
            try await connection.write([42])
            #expect(await connection.perform { $0.extras?.endWaiters.isEmpty } != false)
            await connection.close()
            #expect(await wire.drainToEnd() == [42])
        }
    )
}
