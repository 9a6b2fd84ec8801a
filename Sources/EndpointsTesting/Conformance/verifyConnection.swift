// The connection's half of the suite: what Go's nettest and Trio's stream checks ask of any stream,
// and what API.md promises beyond. Each check runs twice, since the two ends of a pair are seldom
// made alike: once as the pair came, and once with its ends exchanged.

import CEndpoints
import Endpoints

/// Two ends of one stream: what a connection check works on.
struct ConnectionPair: Sendable {
    let a: Connection
    let b: Connection

    /// The other end first.
    var exchanged: ConnectionPair { ConnectionPair(a: b, b: a) }

    func tearDown() {
        a.abort()
        b.abort()
    }
}

/// Checks that connections do all that the library promises of any connection.
///
/// For the transports and kinds of others as well as our own:
/// `try await verifyConnection { Connection.memoryPair() }`. Every check gets a pair of its own; all
/// of them run, and what failed is told together. It moves some 100 MiB, and takes a second or two
/// over loopback.
///
/// Cancellation: ends the check that runs, and throws.
///
/// - Parameters:
///   - skipping: Checks, by their names, that the kind cannot pass, each with the reason;
///     ``connectionCheckNames`` has them.
///   - timeout: How long one check may take; 60 s unless told, times
///     ``TestPatience``.
///   - makePair: Makes the two ends of a new stream. The suite closes them.
/// - Returns: Which checks passed, and which were skipped.
/// - Throws: ``ConformanceError``, which lists each check that failed; `CancellationError`;
///   `EndpointError` with code `invalidArgument` for a name in `skipping` that no check has.
@discardableResult
public func verifyConnection(
    skipping: [String: String] = [:],
    timeout: Duration = .seconds(60),
    _ makePair: @escaping @Sendable () async throws -> (Connection, Connection)
) async throws -> ConformanceReport {
    try checkSkips(skipping, among: connectionCheckNames)
    let run = ConformanceRun<ConnectionPair>(
        timeout: TestPatience.limit(timeout),
        skipping: skipping,
        make: {
            let (a, b) = try await makePair()
            return ConnectionPair(a: a, b: b)
        },
        tearDown: { $0.tearDown() }
    )
    return try await run.run(connectionChecks.flatMap(bothWays))
}

/// The names of the checks that ``verifyConnection(skipping:timeout:_:)`` runs.
public var connectionCheckNames: [String] { connectionChecks.map(\.name) }

let connectionChecks = byteChecks + orderChecks + endingChecks + cancellationChecks

/// The check, and the check with the ends exchanged; both go by one name when they are skipped.
private func bothWays(_ check: ConformanceCheck<ConnectionPair>) -> [ConformanceCheck<
    ConnectionPair
>] {
    [
        ConformanceCheck(check.name) { pair in
            do { try await check.body(pair) } catch {
                throw Unexpected("first end: \(error)")
            }
        },
        ConformanceCheck(check.name) { pair in
            do { try await check.body(pair.exchanged) } catch {
                throw Unexpected("second end: \(error)")
            }
        },
    ]
}

/// Bytes that look like chance and are always the same.
func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
        withUnsafeBytes(of: generator.next()) { bytes.append(contentsOf: $0) }
    }
    bytes.removeLast(bytes.count - count)
    return bytes
}

/// Reads to the peer's end.
func readAll(_ connection: Connection) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    while let chunk = try await connection.read(atMost: 262_144) { bytes += chunk }
    return bytes
}

/// More than the buffers of any kernel hold: a write of it waits for its reader.
let moreThanFits: [UInt8] = {
    let block = pattern(65_536)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(block.count * 384)
    for _ in 0..<384 { bytes += block }
    return bytes
}()

/// Whether the pieces together are the bytes: quick for many of them, in a debug build too.
func isSame(_ pieces: [UInt8]..., as bytes: [UInt8]) -> Bool {
    guard pieces.reduce(0, { $0 + $1.count }) == bytes.count else { return false }
    var position = 0
    return bytes.withUnsafeBytes { whole in
        pieces.allSatisfy { piece in
            defer { position += piece.count }
            return piece.withUnsafeBytes { part in
                guard let left = part.baseAddress, let right = whole.baseAddress else {
                    return true
                }
                return memcmp(left, right + position, part.count) == 0
            }
        }
    }
}
