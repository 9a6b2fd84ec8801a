import Endpoints

/// What happens while a command runs.
enum ToolEvent: Sendable {
    /// Clients can connect here.
    case listening(endpoint: String, address: SocketAddress)
    case connected(endpoint: String, peer: SocketAddress)
    case accepted(peer: SocketAddress)
    case closed(ConnectionReport)
    /// A connection that could not be made or made ready.
    case failed(peer: SocketAddress?, error: String)

    /// There is no connection; after an error, or `nil` if the last one just ended.
    case waiting(for: Duration, after: String?)

    /// So many bytes of input were there when the connection ended, and were not sent.
    case undelivered(Int)
    /// So many lines could not be written.
    case lost(Int)

    /// The object that `--json` writes, on one line.
    var json: JSONValue {
        switch self {
        case .listening(let endpoint, let address):
            .object([
                ("event", .string("listening")), ("endpoint", .string(endpoint)),
                ("address", .string("\(address)")),
            ])
        case .connected(let endpoint, let peer):
            .object([
                ("event", .string("connected")), ("endpoint", .string(endpoint)),
                ("peer", .string("\(peer)")),
            ])
        case .accepted(let peer):
            .object([("event", .string("accepted")), ("peer", .string("\(peer)"))])
        case .closed(let report):
            report.json
        case .waiting(let delay, let error):
            .object([
                ("event", .string("waiting")), ("seconds", .seconds(delay)),
                ("error", .optional(error)),
            ])
        case .undelivered(let count):
            .object([("event", .string("undelivered")), ("bytes", .integer(count))])
        case .lost(let count):
            .object([("event", .string("lost")), ("count", .integer(count))])
        case .failed(let peer, let error):
            .object([
                ("event", .string("failed")), ("peer", .optional(peer?.description)),
                ("error", .string(error)),
            ])
        }
    }

    /// The line without `--json`; `nil` for what only the log tells then.
    var text: String? {
        switch self {
        case .listening(let endpoint, _): "listening \(endpoint)"
        case .undelivered(let count): "endpoint: \(count) bytes of input not delivered"
        case .connected, .accepted, .closed, .failed, .waiting, .lost: nil
        }
    }
}

/// What became of a connection.
struct ConnectionReport: Sendable {
    var peer: SocketAddress
    var received: Int
    var sent: Int
    var lost: Int
    var duration: Duration
    var end: ConnectionEnd?

    init(of connection: isolated Connection, since start: ContinuousClock.Instant) {
        let counts = connection.byteCounts
        peer = connection.remoteAddress
        received = counts.read
        sent = counts.written
        lost = connection.bytesLost
        duration = .now - start
        end = connection.currentEnd
    }

    var json: JSONValue {
        var members: [(name: String, value: JSONValue)] = [
            ("event", .string("closed")), ("peer", .string("\(peer)")),
            ("received", .integer(received)), ("sent", .integer(sent)),
            ("seconds", .seconds(duration)), ("end", .string(endName)),
        ]
        if lost > 0 { members.append(("lost", .integer(lost))) }
        if case .failed(let error) = end { members.append(("error", .string("\(error)"))) }
        return .object(members)
    }

    var endName: String {
        switch end {
        case .closed, nil: "closed"
        case .peerClosed: "peerClosed"
        case .truncated: "truncated"
        case .failed: "failed"
        }
    }
}
