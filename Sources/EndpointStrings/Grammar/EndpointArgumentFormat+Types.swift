// The formats of the usual types. A number is ASCII digits and nothing else: no sign, no space, no
// underscore, no digits of other scripts; one that is too large is refused, never cut.

import EndpointsCore

extension EndpointArgumentFormat where Value == String {
    /// Text that is not empty.
    public static var text: Self {
        EndpointArgumentFormat(expected: "a text", read: { $0 }, write: { $0 })
    }
}

extension EndpointArgumentFormat where Value: FixedWidthInteger & Sendable {
    /// A whole number in a range, in decimal digits.
    public static func integer(
        in range: ClosedRange<Value>,
        expected: String = "a whole number"
    ) -> Self {
        EndpointArgumentFormat(
            .number,
            expected: "\(expected) from \(range.lowerBound) to \(range.upperBound)",
            read: { text in
                guard let value = digits(of: text, radix: 10), range.contains(value) else {
                    throw EndpointArgumentError()
                }
                return value
            },
            write: { "\($0)" }
        )
    }

    /// File permissions in octal digits, with or without `0o` before them (chmod(2)).
    public static var mode: Self {
        EndpointArgumentFormat(
            expected: "an octal mode from 0 to 777",
            read: { text in
                let numeral = text.hasPrefix("0o") ? String(text.dropFirst(2)) : text
                guard let value = digits(of: numeral, radix: 8), value <= 0o777 else {
                    throw EndpointArgumentError()
                }
                return value
            },
            write: { String($0, radix: 8) }
        )
    }

    /// One or more digits and nothing else; `nil` if it is something else or too large.
    private static func digits(of text: String, radix: Value) -> Value? {
        if text.isEmpty { return nil }
        var value: Value = 0
        for byte in text.utf8 {
            guard (0x30...0x39).contains(byte), let digit = Value(exactly: byte - 0x30),
                digit < radix
            else { return nil }
            let (product, isTooLarge) = value.multipliedReportingOverflow(by: radix)
            let (sum, isTooLargeNow) = product.addingReportingOverflow(digit)
            if isTooLarge || isTooLargeNow { return nil }
            value = sum
        }
        return value
    }
}

extension EndpointArgumentFormat where Value == UInt16 {
    /// A port in a range; a name of a service is not looked up.
    public static func port(in range: ClosedRange<UInt16>) -> Self {
        integer(in: range, expected: "a port")
    }
}

extension EndpointArgumentFormat where Value == Duration {
    /// Seconds in decimal digits, with at most one point: more than 0, at most about 68 years.
    public static var seconds: Self {
        EndpointArgumentFormat(
            .number,
            expected: "a number of seconds greater than 0",
            read: { text in
                guard let value = Duration(decimalSeconds: text), value > .zero else {
                    throw EndpointArgumentError()
                }
                if value > .seconds(Int32.max) {
                    throw EndpointArgumentError("is more than \(Int32.max), some 68 years")
                }
                return value
            },
            write: { $0.decimalSeconds }
        )
    }

    /// Seconds in decimal digits, with at most one point, within limits of the system.
    ///
    /// - Parameters:
    ///   - range: The smallest and the largest.
    ///   - step: What the system counts in, at most a second; what is finer is refused.
    /// - Returns: The format.
    public static func seconds(in range: ClosedRange<Duration>, step: Duration) -> Self {
        let limits = "\(range.lowerBound.decimalSeconds) to \(range.upperBound.decimalSeconds)"
        let isWhole = step >= .seconds(1)
        let unit = isWhole ? 1_000_000_000_000_000_000 : max(1, step.components.attoseconds)
        return EndpointArgumentFormat(
            .number,
            expected: "a \(isWhole ? "whole " : "")number of seconds from \(limits)",
            read: { text in
                guard let value = Duration(decimalSeconds: text), range.contains(value) else {
                    throw EndpointArgumentError()
                }
                guard value.components.attoseconds.isMultiple(of: unit) else {
                    throw EndpointArgumentError("is not a multiple of \(step.decimalSeconds)")
                }
                return value
            },
            write: { $0.decimalSeconds }
        )
    }
}

extension EndpointArgumentFormat where Value == Bool {
    /// `0` `1` `true` `false` `yes` `no`, in any case; written as `0` and `1`.
    public static var boolean: Self {
        EndpointArgumentFormat(
            .boolean,
            expected: "one of 0, 1, true, false, yes, no",
            choices: ["0", "1", "true", "false", "yes", "no"],
            read: { text in
                switch text.asciiLowercased {
                case "1", "true", "yes": true
                case "0", "false", "no": false
                default: throw EndpointArgumentError()
                }
            },
            write: { $0 ? "1" : "0" }
        )
    }
}

extension EndpointArgumentFormat
where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
    /// One of the type's own texts, exactly.
    public static var oneOf: Self {
        let choices = Value.allCases.map(\.rawValue)
        return EndpointArgumentFormat(
            expected: "one of \(choices.joined(separator: ", "))",
            choices: choices,
            read: { text in
                guard let value = Value(rawValue: text) else { throw EndpointArgumentError() }
                return value
            },
            write: { $0.rawValue }
        )
    }
}

extension EndpointArgumentValue
where Self: RawRepresentable & CaseIterable, RawValue == String {
    /// One of the type's own texts, exactly.
    public static var argumentFormat: EndpointArgumentFormat<Self> { .oneOf }
}

extension String: EndpointArgumentValue {
    /// Text that is not empty.
    public static var argumentFormat: EndpointArgumentFormat<String> { .text }
}

extension Int: EndpointArgumentValue {
    /// A whole number, not negative.
    public static var argumentFormat: EndpointArgumentFormat<Int> { .integer(in: 0...Int.max) }
}

extension UInt16: EndpointArgumentValue {
    /// A port, 0 included.
    public static var argumentFormat: EndpointArgumentFormat<UInt16> { .port(in: 0...UInt16.max) }
}

extension Bool: EndpointArgumentValue {
    /// Yes or no.
    public static var argumentFormat: EndpointArgumentFormat<Bool> { .boolean }
}

extension Duration: EndpointArgumentValue {
    /// Seconds, more than 0.
    public static var argumentFormat: EndpointArgumentFormat<Duration> { .seconds }
}

extension Optional: EndpointArgumentValue where Wrapped: EndpointArgumentValue {
    /// As the value's own; `nil` is left out.
    public static var argumentFormat: EndpointArgumentFormat<Wrapped?> {
        Wrapped.argumentFormat.optional
    }
}

extension Array: EndpointArgumentValue where Element: EndpointArgumentValue {
    /// Values with commas between them.
    ///
    /// An element's text holds no comma. The empty list is left out.
    public static var argumentFormat: EndpointArgumentFormat<[Element]> {
        let element = Element.argumentFormat
        return EndpointArgumentFormat(
            expected: "\(element.expected), or several with commas between them",
            choices: element.choices,
            read: { text in
                let parts = text.unicodeScalars.split(
                    separator: ",",
                    omittingEmptySubsequences: false
                )
                return try parts.map { part in
                    if part.isEmpty { throw EndpointArgumentError("has an empty entry") }
                    return try element.read(String(part))
                }
            },
            write: { values in
                values.isEmpty ? nil : values.compactMap(element.write).joined(separator: ",")
            }
        )
    }
}

extension Duration {
    /// Digits with at most one point among them, exactly; `nil` for anything else.
    init?(decimalSeconds text: String) {
        var seconds: Int64 = 0
        var attoseconds: Int64 = 0
        var unit: Int64 = 1_000_000_000_000_000_000
        var hasDigits = false
        var isFraction = false
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: ".") where !isFraction:
                isFraction = true
            case 0x30...0x39 where isFraction:
                unit /= 10
                if unit == 0, byte != 0x30 { return nil }
                attoseconds += Int64(byte - 0x30) * unit
                hasDigits = true
            case 0x30...0x39:
                let (tens, isTooLarge) = seconds.multipliedReportingOverflow(by: 10)
                let (sum, isTooLargeNow) = tens.addingReportingOverflow(Int64(byte - 0x30))
                if isTooLarge || isTooLargeNow { return nil }
                seconds = sum
                hasDigits = true
            default:
                return nil
            }
        }
        if !hasDigits { return nil }
        self.init(secondsComponent: seconds, attosecondsComponent: attoseconds)
    }

    /// The seconds, exactly, in as few digits as that takes.
    var decimalSeconds: String {
        let (seconds, attoseconds) = componentsClamped
        let isNegative = seconds < 0 || attoseconds < 0
        var text = "\(isNegative ? "-" : "")\(seconds.magnitude)"
        if attoseconds != 0 {
            let fraction = "\(attoseconds.magnitude)"
            var digits = String(repeating: "0", count: max(0, 18 - fraction.count)) + fraction
            while digits.hasSuffix("0") { digits.removeLast() }
            text += ".\(digits)"
        }
        return text
    }
}

extension String {
    /// The text with A to Z in lower case and all else as it is.
    package var asciiLowercased: String {
        let capitals = UInt8(ascii: "A")...UInt8(ascii: "Z")
        guard utf8.contains(where: capitals.contains) else { return self }
        return String(decoding: utf8.map { capitals.contains($0) ? $0 + 32 : $0 }, as: UTF8.self)
    }
}
