// One line, whatever it was made of. A host name, a path or the bytes of a peer may hold a line
// break or an escape sequence; in a log that would be a second entry or a command to the terminal.

extension EndpointError: CustomStringConvertible {
    /// How many addresses a line tells of, at most.
    private static let tellableAttempts = 8

    /// `connect tcp:192.0.2.1:443: connection refused (ECONNREFUSED)`: one readable line.
    public var description: String {
        var line = operation
        if let endpoint { line += " \(endpoint)" }
        line += ": \(why)"
        if bytesLost > 0 { line += "; \(bytesLost) bytes were lost" }
        if let advice { line += "; \(advice)" }
        return Self.escapingControls(line)
    }

    /// The description without operation and endpoint, as an attempt among others is told.
    package var why: String {
        if attempts.count > 1 {
            let told = attempts.prefix(Self.tellableAttempts).map {
                "\($0.address) \($0.error.why)"
            }
            let untold = attempts.count - told.count
            let head = reason ?? "all \(attempts.count) addresses failed"
            let tail = untold > 0 ? ", and \(untold) more" : ""
            return "\(head): \(told.joined(separator: ", "))\(tail)"
        }
        guard let systemError else { return reason ?? code.meaning }
        guard let reason else { return systemError.description }
        return "\(reason) (\(systemError.name))"
    }

    /// The text with what a terminal or a log could take for a command or a new line escaped.
    package static func escapingControls(_ line: String) -> String {
        guard line.unicodeScalars.contains(where: \.isControl) else { return line }
        var escaped = ""
        for scalar in line.unicodeScalars {
            if scalar.isControl {
                escaped += scalar.escaped(asASCII: true)
            } else {
                escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    /// What a peer sent, in quotes, escaped and cut: `"GET / HTTP/1.1\r\n"`.
    ///
    /// No more than `limit` bytes are shown.
    package static func quoted(_ bytes: some Collection<UInt8>, limit: Int = 48) -> String {
        var text = "\""
        for byte in bytes.prefix(limit) {
            switch byte {
            case UInt8(ascii: "\n"): text += "\\n"
            case UInt8(ascii: "\r"): text += "\\r"
            case UInt8(ascii: "\t"): text += "\\t"
            case UInt8(ascii: "\""): text += "\\\""
            case UInt8(ascii: "\\"): text += "\\\\"
            case 0x20...0x7e: text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16)
                text += digits.utf8.count == 1 ? "\\x0\(digits)" : "\\x\(digits)"
            }
        }
        return bytes.count > limit ? text + "…\"" : text + "\""
    }

    /// `timed out after 30 s`, and what was being done where that is not plain.
    package static func timedOut(
        after timeout: Duration,
        operation: String,
        endpoint: String?,
        phase: Phase? = nil,
        attempts: [Attempt] = []
    ) -> EndpointError {
        var reason = "timed out after \(timeout.inSeconds)"
        switch phase {
        case .resolve?: reason += " while looking up the name"
        case .proxy?: reason += " waiting for the proxy's answer"
        case .handshake?: reason += " in the TLS handshake"
        default: break
        }
        return EndpointError(
            .timedOut,
            operation: operation,
            endpoint: endpoint,
            reason: reason,
            attempts: attempts,
            phase: phase
        )
    }
}

extension EndpointError.Code {
    /// What is said when nothing else explains it: a phrase where we know one, else the name.
    var meaning: String { Self.meanings[self] ?? description }

    private static let meanings: [EndpointError.Code: String] = [
        .busy: "another task is already doing it",
        .closed: "it is closed",
        .invalidArgument: "invalid argument",
        .partialWrite: "an earlier write was cancelled halfway",
        .connectionRefused: "connection refused",
        .connectionReset: "connection reset by peer",
        .certificateInvalid: "the certificate is not valid",
        .handshakeFailed: "the handshake did not succeed",
        .unexpectedEnd: "the stream ended too early",
        .truncated: "the stream was cut off",
        .tooLong: "too long",
        .timedOut: "timed out",
        .addressInUse: "address already in use",
        .addressNotAvailable: "address not available",
        .nameNotFound: "no such host",
        .notFound: "not found",
        .permissionDenied: "permission denied",
        .unreachable: "unreachable",
        .outOfResources: "out of resources",
        .unavailable: "temporarily unavailable",
        .unsupported: "not supported by this system",
        .systemFailure: "the system refused",
    ]
}

extension Duration {
    /// `30 s`, `0.25 s`: to the millisecond.
    package var inSeconds: String {
        let (seconds, attoseconds) = componentsClamped
        let milliseconds = abs(attoseconds / 1_000_000_000_000_000)
        let sign = seconds < 0 || attoseconds < 0 ? "-" : ""
        guard milliseconds != 0 else { return "\(seconds) s" }
        var fraction = String(milliseconds)
        fraction = String(repeating: "0", count: 3 - fraction.utf8.count) + fraction
        while fraction.utf8.last == UInt8(ascii: "0") { fraction.removeLast() }
        return "\(sign)\(seconds.magnitude).\(fraction) s"
    }
}
