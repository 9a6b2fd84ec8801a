// What a peer sent where something else had to come.
//
// The bytes are the peer's, so they are shown quoted, escaped and cut: an error line stays one line,
// and nobody can write into a log or a terminal by way of it. Parsers that look at a growing prefix
// throw this at the first byte that cannot belong; `offset` is that byte, however the bytes were
// cut into reads. What is shown may reach further, if more had come.

import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Bytes that cannot belong to what was being read, and what had to come instead.
struct UnexpectedBytes: Error, Hashable, Sendable, CustomStringConvertible {
    /// Index of the first byte that cannot belong, counted from the start of the message.
    var offset: Int
    /// What had to come.
    var expected: String
    /// What came instead: an excerpt of the bytes, or words.
    var received: String
    /// What the operator may do about it, if that is known.
    var hint: String?

    var description: String {
        let place = offset > 0 ? " at offset \(offset)" : ""
        return "expected \(expected)\(place), got \(received)" + (hint.map { "; \($0)" } ?? "")
    }
}

extension UnexpectedBytes {
    /// Says that the byte at `offset` cannot belong, and shows what came from `start` on.
    init(
        _ bytes: Span<UInt8>,
        at offset: Int,
        showing start: Int,
        expected: String,
        hint: String? = nil
    ) {
        self.init(
            offset: offset,
            expected: expected,
            received: String(escaping: bytes, from: start),
            hint: hint
        )
    }
}

extension String {
    /// Bytes in double quotes: printable ASCII as it is, the rest as `\r`, `\n`, `\t` or `\x00`.
    ///
    /// Beyond `limit` bytes, an ellipsis stands for the rest.
    init(escaping bytes: Span<UInt8>, from start: Int = 0, limit: Int = 32) {
        let end = Swift.min(bytes.count, start + limit)
        var text = "\""
        for index in Swift.min(start, end)..<end {
            text.appendEscaped(bytes[index])
        }
        self = text + (end < bytes.count ? "\"…" : "\"")
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\r"): append("\\r")
        case UInt8(ascii: "\n"): append("\\n")
        case UInt8(ascii: "\t"): append("\\t")
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            append("\\")
            unicodeScalars.append(Unicode.Scalar(byte))
        case 0x20..<0x7F: unicodeScalars.append(Unicode.Scalar(byte))
        default:
            let digits = String(byte, radix: 16)
            append(digits.utf8.count == 1 ? "\\x0\(digits)" : "\\x\(digits)")
        }
    }
}

extension [UInt8] {
    /// The bytes of a part of a span.
    init(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        self = range.map { bytes[$0] }
    }
}
