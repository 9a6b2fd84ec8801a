// What a process prints, kept in order, and those who wait for it.
//
// A thread reads the pipe; tests wait for an event in the text (a line, the end), never for time to
// pass. Each wait has a deadline, so that a peer that stays silent fails its test by name instead of
// hanging the run.

import Dispatch
import Foundation
import Synchronization

/// A process did not do what a test waited for.
public struct PeerError: Error, CustomStringConvertible {
    /// What was waited for, and what came instead.
    public let description: String

    init(_ description: String) { self.description = description }
}

/// The bytes of one of a process's output pipes.
public final class Output: Sendable {
    struct Waiter {
        let isMet: @Sendable (State) -> Bool
        let continuation: CheckedContinuation<Bool, Never>
    }

    struct State {
        var bytes: [UInt8] = []
        var isAtEnd = false
        var waiters: [Int: Waiter] = [:]
        var nextWaiter = 0
    }

    private let state = Mutex(State())
    let name: String

    init(name: String) { self.name = name }

    /// Reads `descriptor` to its end on a thread of its own, and closes it.
    func collect(_ descriptor: Int32) {
        Thread.detachNewThread {
            var block = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(descriptor, &block, block.count)
                if count < 0 && errno == EINTR { continue }
                if count <= 0 { break }
                self.change { $0.bytes += block[..<count] }
            }
            close(descriptor)
            self.change { $0.isAtEnd = true }
        }
    }

    /// Everything so far.
    public var bytes: [UInt8] { state.withLock { $0.bytes } }

    /// Everything so far, as text.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The lines so far; the last may be unfinished.
    public var lines: [String] {
        text.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
    }

    /// Waits for a whole line for which `match` has an answer.
    ///
    /// - Throws: ``PeerError`` at the deadline, or when the output has ended without such a line.
    public func firstLine<Match: Sendable>(
        within seconds: Double = 30,
        _ match: @escaping @Sendable (String) -> Match?
    ) async throws -> Match {
        @Sendable func found(_ bytes: [UInt8]) -> Match? {
            guard let end = bytes.lastIndex(of: 10) else { return nil }
            return String(decoding: bytes[..<end], as: UTF8.self)
                .split(separator: "\n").lazy.compactMap { match(String($0)) }.first
        }
        try await wait(for: "a line", within: seconds) { $0.isAtEnd || found($0.bytes) != nil }
        guard let line = found(bytes) else {
            throw PeerError("\(name) ended without the line that was waited for:\n\(text)")
        }
        return line
    }

    /// Waits until so many whole lines have what is looked for.
    public func lines(
        _ count: Int,
        within seconds: Double = 60,
        where isWanted: @escaping @Sendable (Substring) -> Bool
    ) async throws {
        try await wait(for: "\(count) lines", within: seconds) { state in
            guard let end = state.bytes.lastIndex(of: 10) else { return state.isAtEnd }
            let text = String(decoding: state.bytes[..<end], as: UTF8.self)
            return state.isAtEnd || text.split(separator: "\n").count(where: isWanted) >= count
        }
    }

    /// Waits for `count` bytes.
    public func bytes(_ count: Int, within seconds: Double = 30) async throws -> [UInt8] {
        try await wait(for: "\(count) bytes", within: seconds) {
            $0.isAtEnd || $0.bytes.count >= count
        }
        let bytes = bytes
        guard bytes.count >= count else {
            throw PeerError("\(name) ended after \(bytes.count) of \(count) bytes")
        }
        return Array(bytes.prefix(count))
    }

    /// Waits for the end, and answers everything.
    public func toEnd(within seconds: Double = 60) async throws -> [UInt8] {
        try await wait(for: "the end", within: seconds) { $0.isAtEnd }
        return bytes
    }

    private func change(_ body: (inout State) -> Void) {
        let met = state.withLock { state in
            body(&state)
            let met = state.waiters.filter { $0.value.isMet(state) }
            for id in met.keys { state.waiters[id] = nil }
            return met.values.map(\.continuation)
        }
        for continuation in met { continuation.resume(returning: true) }
    }

    private func wait(
        for what: String,
        within seconds: Double,
        _ isMet: @escaping @Sendable (State) -> Bool
    ) async throws {
        let isInTime = await withCheckedContinuation { continuation in
            let id: Int? = state.withLock { state in
                if isMet(state) { return nil }
                state.nextWaiter += 1
                state.waiters[state.nextWaiter] = Waiter(isMet: isMet, continuation: continuation)
                return state.nextWaiter
            }
            guard let id else { return continuation.resume(returning: true) }
            DispatchQueue.global().asyncAfter(deadline: .now() + seconds) {
                let late = self.state.withLock { $0.waiters.removeValue(forKey: id) }
                late?.continuation.resume(returning: false)
            }
        }
        guard isInTime else {
            throw PeerError("\(name): no sign of \(what) within \(seconds) s; so far:\n\(text)")
        }
    }
}
