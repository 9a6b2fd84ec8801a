// A tunnel through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6) over HTTP/1.1, as a value.
//
// The answer's head ends at an empty line, and right behind it the tunnel begins, so the parser must
// find that place exactly as the proxy means it. Hence no leniency: lines end with CR LF and nothing
// else (a lone LF is what one side takes for an end and the other does not), a folded line or a
// space before a colon is refused, sizes are bounded. A 2xx answer has no body whatever its fields
// say (Content-Length and Transfer-Encoding must be ignored). Interim answers (1xx) may come before
// the final one. A refusal is reported as soon as its status line is whole.
//
// The prefix grows, and the parser remembers how far it has looked: each byte is looked at once.

import EndpointStrings
import EndpointsCore
import EndpointsNet

/// A connection's way through an HTTP proxy, up to the first byte of its stream.
struct HTTPConnect: Hashable, Sendable {
    /// What a prefix of the answer amounts to.
    enum Progress: Hashable, Sendable {
        /// Read on. At least so many further bytes belong to the answer.
        case needsMore(atLeast: Int)
        /// Drop `consumed` bytes; all that follows is the stream.
        case established(status: Int, consumed: Int)
    }

    /// How much of the proxy's answer is taken.
    enum Limits {
        /// The longest line, CR LF included.
        static let line = 8192
        /// All lines, those of interim answers included.
        static let head = 32_768
    }

    /// What to send: the request.
    let request: [UInt8]

    private var field = Field.version
    /// How many bytes have been looked at.
    private var position = 0
    /// Where the current answer begins; interim ones come before it.
    private var answerStart = 0
    private var lineStart = 0
    private var status = 0

    /// Where the next byte belongs.
    private enum Field: Hashable {
        case version
        case statusCode
        case afterStatusCode
        case reason
        case statusLineFeed
        case fieldStart
        case fieldName
        case fieldValue
        case fieldLineFeed
        case lastLineFeed
        case end
    }

    /// Asks for a tunnel to `target`.
    ///
    /// - Parameters:
    ///   - target: Where the proxy shall connect.
    ///   - credentials: Sent unasked, as Basic (RFC 7617): no colon in the user, no control
    ///     characters in either. In the clear, unless the proxy is reached over TLS.
    /// - Throws: ``ProxyCredentials/InvalidCredentials``.
    init(
        to target: ProxyTarget,
        credentials: ProxyCredentials? = nil
    ) throws(ProxyCredentials.InvalidCredentials) {
        var lines = ["CONNECT \(target) HTTP/1.1", "Host: \(target)"]
        if let credentials {
            let text = Array("\(credentials.user):\(credentials.password)".utf8)
            guard !credentials.user.utf8.contains(UInt8(ascii: ":")),
                text.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
            else {
                throw ProxyCredentials.InvalidCredentials(
                    description: "HTTP Basic takes a user without colon, "
                        + "and no control characters in user or password"
                )
            }
            lines.append("Proxy-Authorization: Basic \(Base64.encode(text))")
        }
        request = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    /// Looks at the proxy's answer, of which `bytes` is all that has come, from its first byte.
    ///
    /// - Throws: ``HTTPConnectError``; the parser is of no use afterwards.
    mutating func receive(_ bytes: Span<UInt8>) throws(HTTPConnectError) -> Progress {
        while field != .end, position < bytes.count {
            guard position < Limits.head, position - lineStart < Limits.line else {
                throw .tooLong(limit: position < Limits.head ? Limits.line : Limits.head)
            }
            let before = field
            if let expected = consume(bytes[position]) {
                throw .unexpected(unexpected(bytes, expected))
            }
            position += 1
            if before == .statusLineFeed, isRefusal { throw refusal(bytes) }
        }
        return field == .end
            ? .established(status: status, consumed: position)
            : .needsMore(atLeast: shortestRest)
    }
}

// MARK: One byte

extension HTTPConnect {
    private static let versionPrefix = Array("HTTP/1.".utf8)
    /// A status line with no reason and no space before it, and the empty line.
    private static let shortestAnswer = 16

    /// Takes the byte at `position`, and says what had to come if it cannot belong.
    private mutating func consume(_ byte: UInt8) -> String? {
        let isCarriageReturn = byte == UInt8(ascii: "\r")
        switch field {
        case .version:
            return consumeVersion(byte)
        case .statusCode:
            let digitsBefore = position - answerStart - 9
            guard let digit = byte.decimalDigit, digitsBefore > 0 || digit > 0 else {
                return "a status of three digits"
            }
            status = status * 10 + Int(digit)
            if digitsBefore == 2 { field = .afterStatusCode }
        case .afterStatusCode:
            guard isCarriageReturn || byte == UInt8(ascii: " ") else {
                return "a space after the status"
            }
            field = isCarriageReturn ? .statusLineFeed : .reason
        case .reason, .fieldValue:
            if isCarriageReturn {
                field = field == .reason ? .statusLineFeed : .fieldLineFeed
            } else if !byte.isFieldText {
                return "text up to CR LF"
            }
        case .fieldStart:
            guard isCarriageReturn || byte.isToken else { return "a field or an empty line" }
            field = isCarriageReturn ? .lastLineFeed : .fieldName
        case .fieldName:
            if byte == UInt8(ascii: ":") {
                field = .fieldValue
            } else if !byte.isToken {
                return "a field's name and a colon"
            }
        case .statusLineFeed, .fieldLineFeed, .lastLineFeed:
            guard byte == UInt8(ascii: "\n") else { return "LF after CR" }
            endLine()
        case .end:
            return "nothing after the empty line"
        }
        return nil
    }

    private mutating func consumeVersion(_ byte: UInt8) -> String? {
        let index = position - answerStart
        let fits: Bool
        switch index {
        case ..<Self.versionPrefix.count: fits = byte == Self.versionPrefix[index]
        case Self.versionPrefix.count: fits = byte.decimalDigit != nil
        default:
            fits = byte == UInt8(ascii: " ")
            field = .statusCode
        }
        return fits ? nil : "\"HTTP/1.1\" and a status"
    }

    private mutating func endLine() {
        lineStart = position + 1
        if field != .lastLineFeed {
            field = .fieldStart
        } else if status >= 200 {
            field = .end
        } else {
            answerStart = position + 1
            status = 0
            field = .version
        }
    }

    /// Everything but success and interim answers; a change of protocol (101) is neither.
    private var isRefusal: Bool { !(100..<300).contains(status) || status == 101 }

    /// How many bytes an answer takes at least from here on.
    private var shortestRest: Int {
        switch field {
        case .version, .statusCode: Self.shortestAnswer - (position - answerStart)
        case .afterStatusCode, .reason, .fieldValue: 4
        case .fieldName: 5
        case .statusLineFeed, .fieldLineFeed: 3
        case .fieldStart: 2
        case .lastLineFeed: 1
        case .end: 0
        }
    }

    private func refusal(_ bytes: Span<UInt8>) -> HTTPConnectError {
        let reason = [UInt8](bytes, min(answerStart + 13, position - 2)..<position - 2)
        return .refused(status: status, reason: String(escaping: reason.span, limit: 64))
    }

    private func unexpected(_ bytes: Span<UInt8>, _ expected: String) -> UnexpectedBytes {
        let hint: String? =
            switch (position, bytes[0]) {
            case (0, 0x05): "a SOCKS proxy? \"socks5:\" speaks to those"
            case (0, 0x15): "the proxy wants TLS"
            default: nil
            }
        return UnexpectedBytes(
            bytes,
            at: position,
            showing: max(lineStart, position - 16),
            expected: expected,
            hint: hint
        )
    }
}

extension UInt8 {
    /// What a field's name is made of (RFC 9110, section 5.6.2).
    fileprivate var isToken: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default:
            "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }

    /// What a field's value and a reason are made of (RFC 9110, section 5.5).
    fileprivate var isFieldText: Bool {
        self == UInt8(ascii: "\t") || (self >= 0x20 && self != 0x7F)
    }
}
