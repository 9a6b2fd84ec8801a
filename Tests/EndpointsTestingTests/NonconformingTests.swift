import Endpoints
import EndpointsTesting
import Testing

/// What is wrong with a transport of somebody else's.
private enum Flaw: CaseIterable {
    case dropsHalfClose, closesAtHalfClose, takesAll, endsWithoutReset, reorders, dropsByte

    /// A check that must notice it.
    var check: String {
        switch self {
        case .dropsHalfClose, .closesAtHalfClose:
            "half-close ends one direction and keeps the other"
        case .takesAll: "a writer waits for its reader"
        case .endsWithoutReset: "a reset is noticed without reading"
        case .reorders, .dropsByte: "a big transfer is whole"
        }
    }
}

/// Carries bytes between two memory ends, as a third party's kind would; with a flaw.
private struct FlawedCarrier: Sendable {
    let flaw: Flaw?

    func makePair() -> (Connection, Connection) {
        let (a, farA) = Connection.memoryPair()
        let (b, farB) = Connection.memoryPair()
        Task {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await carry(from: farA, to: farB) }
                group.addTask { await carry(from: farB, to: farA) }
                group.addTask { await passReset(from: farA, to: farB) }
                group.addTask { await passReset(from: farB, to: farA) }
            }
        }
        return (a, b)
    }

    private func carry(from source: Connection, to sink: Connection) async {
        do {
            var kept: [[UInt8]] = []
            while var bytes = try await source.read(atMost: 65_536) {
                if flaw == .reorders { bytes.reverse() }
                if flaw == .dropsByte && bytes.count > 1000 { bytes.removeLast() }
                if flaw == .takesAll { kept.append(bytes) } else { try await sink.write(bytes) }
            }
            for bytes in kept { try await sink.write(bytes) }
            if flaw == .closesAtHalfClose { return await close(source, sink) }
            if flaw != .dropsHalfClose { try await sink.closeWrite() }
        } catch {
            end(sink)
            end(source)
        }
    }

    private func passReset(from source: Connection, to sink: Connection) async {
        if case .failed = try? await source.ended() { end(sink) }
    }

    private func end(_ connection: Connection) {
        if flaw != .endsWithoutReset { return connection.abort() }
        Task { await connection.close() }
    }

    private func close(_ source: Connection, _ sink: Connection) async {
        await sink.close()
        await source.close()
    }
}

@Suite("What does not conform", .timeLimit(.minutes(1)))
struct NonconformingTests {
    private func verify(
        _ flaw: Flaw?,
        only check: String,
        timeout: Duration = .seconds(60)
    ) async throws {
        let others = connectionCheckNames.filter { $0 != check }
        let carrier = FlawedCarrier(flaw: flaw)
        try await verifyConnection(
            skipping: Dictionary(uniqueKeysWithValues: others.map { ($0, "another's") }),
            timeout: timeout
        ) { carrier.makePair() }
    }

    @Test("a flaw is told by the name of the check", arguments: Flaw.allCases)
    fileprivate func flaws(flaw: Flaw) async throws {
        await #expect {
            try await verify(flaw, only: flaw.check, timeout: .milliseconds(500))
        } throws: { error in
            "\(error)".contains("failed: \(flaw.check)")
        }
    }

    @Test("without the flaw the check passes", arguments: Set(Flaw.allCases.map(\.check)).sorted())
    func none(check: String) async throws { try await verify(nil, only: check) }
}
