// JSON (RFC 8259), written by hand: `JSONEncoder` needs Foundation, which costs more time at the start
// than all that a command such as `explain` does. Objects keep the order of their members.

import Endpoints

/// A JSON text to be written.
indirect enum JSONValue {
    case string(String)
    /// A numeral as it stands.
    case number(String)
    case boolean(Bool)
    case null
    case array([JSONValue])
    case object([(name: String, value: JSONValue)])

    static func integer(_ value: Int) -> JSONValue { .number(String(value)) }

    /// A number of seconds, to the microsecond.
    static func seconds(_ duration: Duration) -> JSONValue {
        let (seconds, attoseconds) = duration.components
        let microseconds = abs(attoseconds / 1_000_000_000_000)
        let fraction = String(microseconds + 1_000_000).dropFirst()
        let sign = duration < .zero ? "-" : ""
        return .number("\(sign)\(seconds.magnitude).\(fraction)")
    }

    /// A number of milliseconds, to the microsecond.
    static func milliseconds(_ duration: Duration) -> JSONValue {
        let (seconds, attoseconds) = duration.components
        let microseconds = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
        let fraction = String(abs(microseconds) % 1000 + 1000).dropFirst()
        let sign = microseconds < 0 ? "-" : ""
        return .number("\(sign)\(abs(microseconds) / 1000).\(fraction)")
    }

    /// A string, or `null`.
    static func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
}

extension JSONValue: CustomStringConvertible {
    /// The text, on one line.
    var description: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        switch self {
        case .string(let string): Self.write(string, to: &text)
        case .number(let numeral): text += numeral
        case .boolean(let value): text += value ? "true" : "false"
        case .null: text += "null"
        case .array(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                value.write(to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (index, member) in members.enumerated() {
                if index > 0 { text += "," }
                Self.write(member.name, to: &text)
                text += ":"
                member.value.write(to: &text)
            }
            text += "}"
        }
    }

    /// RFC 8259, section 7: quotes, backslashes and controls must be escaped.
    ///
    /// So is everything else that a terminal or a reader of lines could take for a command or a new
    /// line. All of it is in the Basic Multilingual Plane.
    private static func write(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case _ where scalar.isControl:
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}
