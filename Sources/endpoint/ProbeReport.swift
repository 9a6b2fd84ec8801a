// What a probe has found, as JSON and as text. Names in certificates are the peer's own choice: what
// could move a terminal's cursor is escaped.

import Endpoints

/// How one attempt to connect went.
struct ProbeReport: Sendable {
    let endpoint: String
    /// Whom the connection is with, or would have been.
    private(set) var address: SocketAddress?
    private(set) var tls: TLSFacts?
    private var attempts: [ConnectTrace.Attempt] = []
    private var timeline = ConnectionTimeline()
    /// Why a connection is not to be trusted, or cannot be made.
    var error: String?
    var total = Duration.zero

    init(endpoint: String) { self.endpoint = endpoint }

    /// Whether a connection can be made, and its peer trusted.
    var isTrusted: Bool { error == nil }

    /// Takes over what a connection knows of itself.
    mutating func connected(_ connection: Connection) {
        address = connection.remoteAddress
        tls = connection.tls
        if let tls, !tls.isPeerVerified {
            error = "the peer's certificate was not verified: the endpoint trusts anybody"
        }
    }

    /// Takes over what happened on the way; with a connection, its timeline is the one that counts.
    mutating func note(_ record: ConnectTrace.Record, of own: ConnectionTimeline?) {
        attempts = record.attempts
        timeline = own ?? record.timeline
        guard own == nil, tls == nil else { return }
        tls = record.refused[TLSFacts.self]
        address = address ?? record.address ?? record.attempts.last { $0.isConnected }?.address
    }

    // MARK: JSON

    /// The object that `--json` writes.
    var json: JSONValue {
        .object([
            ("ok", .boolean(isTrusted)),
            ("address", .optional(address?.description)),
            ("tls", tls.map(Self.json) ?? .null),
            ("error", .optional(error)),
            ("attempts", .array(attempts.map(\.json))),
            (
                "milliseconds",
                .object([
                    ("resolve", Self.json(timeline.resolve)),
                    ("connect", Self.json(timeline.connect)),
                    ("handshake", Self.json(timeline.handshake)),
                    ("total", .milliseconds(total)),
                ])
            ),
        ])
    }

    private static func json(_ phase: ConnectionTimeline.Phase?) -> JSONValue {
        phase.map { .milliseconds($0.duration) } ?? .null
    }

    private static func json(_ tls: TLSFacts) -> JSONValue {
        .object([
            ("version", .string(tls.version.rawValue)), ("cipher", .string(tls.cipher)),
            ("alpn", .optional(tls.applicationProtocol)), ("resumed", .boolean(tls.isResumed)),
            ("chain", .array(tls.peerCertificates.map(\.json))),
        ])
    }

    // MARK: text

    /// Several lines for people.
    var text: String {
        var lines = [endpoint]
        if !attempts.isEmpty {
            lines += ["addresses:"] + TextTable.lines(attempts.map(\.row))
        }
        lines += ["milliseconds:"] + TextTable.lines(times)
        if let tls { lines += Self.lines(tls) }
        lines.append(verdict)
        return lines.map { EndpointError.escapingControls($0) }.joined(separator: "\n")
    }

    private var times: [[String]] {
        let phases = [
            ("resolve", timeline.resolve), ("connect", timeline.connect),
            ("proxy", timeline.proxy), ("handshake", timeline.handshake),
        ]
        return phases.compactMap { name, phase in
            phase.map { [name, "\(JSONValue.milliseconds($0.duration))"] }
        } + [["in all", "\(JSONValue.milliseconds(total))"]]
    }

    private static func lines(_ tls: TLSFacts) -> [String] {
        let rows = [
            ["version", "\(tls.version)"], ["cipher", tls.cipher],
            ["group", tls.group ?? "none"],
            ["protocol (ALPN)", tls.applicationProtocol ?? "none"],
            ["server name (SNI)", tls.serverName ?? "none"],
            ["resumed", tls.isResumed ? "yes" : "no"],
        ]
        var lines = ["TLS:"] + TextTable.lines(rows) + ["certificates, the peer's own first:"]
        for (index, certificate) in tls.peerCertificates.enumerated() {
            lines.append("  \(index + 1). \(certificate.subject)")
            lines += TextTable.lines(certificate.rows, indentation: 5)
        }
        return lines
    }

    private var verdict: String {
        if let error { return "not trusted: \(error)" }
        guard let tls else { return "ok: connected; without TLS nothing proves who the peer is" }
        let name = tls.serverName ?? address?.ip ?? endpoint
        let root = tls.verifiedChain.last.map { ", by \($0.subject)" } ?? ""
        return "trusted: the peer has proved to be \(name)\(root)"
    }
}

extension ConnectTrace.Attempt {
    fileprivate var isConnected: Bool { if case .connected = outcome { true } else { false } }

    private var error: String? {
        switch outcome {
        case .connected: nil
        case .failed(let error): error.why
        case .givenUp: "given up before it answered"
        }
    }

    fileprivate var json: JSONValue {
        .object([
            ("address", .string("\(address)")), ("ok", .boolean(isConnected)),
            ("error", .optional(error)), ("milliseconds", .milliseconds(duration)),
        ])
    }

    fileprivate var row: [String] {
        ["\(address)", "\(JSONValue.milliseconds(duration)) ms", error ?? "connected"]
    }
}

extension TLSCertificate {
    fileprivate var json: JSONValue {
        .object([
            ("subject", .string(subject)), ("issuer", .string(issuer)),
            ("names", .array(names.map { .string($0) })),
            ("notBefore", .string("\(notBefore)")), ("notAfter", .string("\(notAfter)")),
            ("sha256", .string(fingerprint)),
        ])
    }

    fileprivate var rows: [[String]] {
        [
            ["issuer", issuer], ["names", names.isEmpty ? "none" : names.joined(separator: ", ")],
            ["valid", "\(notBefore) to \(notAfter)"], ["SHA-256", fingerprint],
        ]
    }
}
