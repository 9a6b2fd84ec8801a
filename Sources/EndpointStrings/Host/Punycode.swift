// Punycode (RFC 3492): Unicode in the letters, digits and hyphens that host names have.
//
// The ASCII of a text comes first, then a hyphen, then a number for each other code point, which says
// both what it is and where it goes in: a count of the steps through all pairs of a place and a code
// point. Numbers are digits of base 36 with the least one first; where a number ends shows in the
// digit itself, by a threshold that adapts to the numbers before (section 6.1).
//
// All sums are checked: decoding takes what others have written.

import EndpointsCore

/// Translates between Unicode and ASCII.
enum Punycode {
    private static let base = 36
    private static let smallestThreshold = 1
    private static let largestThreshold = 26
    private static let skew = 38
    private static let damping = 700
    private static let initialBias = 72
    private static let initialCodePoint = 0x80
    private static let delimiter = UInt8(ascii: "-")

    /// Writes code points as ASCII, without the `xn--` in front.
    ///
    /// - Returns: `nil` if there are too many for the numbers.
    static func encode(_ scalars: some Collection<Unicode.Scalar>) -> String? {
        var output = scalars.filter(\.isASCII).map { UInt8($0.value) }
        var handled = output.count
        let basicCount = handled
        if basicCount > 0 { output.append(delimiter) }
        var next = initialCodePoint
        var delta = 0
        var bias = initialBias
        while handled < scalars.count {
            let higher = scalars.lazy.map { Int($0.value) }.filter { $0 >= next }
            guard let smallest = higher.min() else { return nil }
            let (step, isTooLarge) = (smallest - next).multipliedReportingOverflow(by: handled + 1)
            guard !isTooLarge, step <= Int(Int32.max) - delta else { return nil }
            delta += step
            next = smallest
            for scalar in scalars {
                if scalar.value < next { delta += 1 }
                if scalar.value == next {
                    append(delta, bias: bias, to: &output)
                    bias = adapt(delta, count: handled + 1, isFirst: handled == basicCount)
                    delta = 0
                    handled += 1
                }
                guard delta < Int(Int32.max) else { return nil }
            }
            delta += 1
            next += 1
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// Reads what `encode` writes; letters of both cases are digits.
    ///
    /// - Returns: `nil` if the text is not Punycode.
    static func decode(_ text: String) -> [Unicode.Scalar]? {
        let bytes = Array(text.utf8)
        guard bytes.allSatisfy({ $0 < 0x80 }) else { return nil }
        // One that comes first delimits nothing, and is no digit either.
        let end = bytes.lastIndex(of: delimiter) ?? 0
        var output = bytes[..<end].map { Unicode.Scalar($0) }
        var at = end > 0 ? end + 1 : 0
        var codePoint = initialCodePoint
        var place = 0
        var bias = initialBias
        while at < bytes.count {
            let before = place
            guard let number = read(bytes, &at, bias: bias), number <= Int(Int32.max) - place else {
                return nil
            }
            place += number
            let count = output.count + 1
            bias = adapt(place - before, count: count, isFirst: before == 0 && codePoint == 0x80)
            codePoint += place / count
            place %= count
            guard let value = UInt32(exactly: codePoint), let scalar = Unicode.Scalar(value) else {
                return nil
            }
            output.insert(scalar, at: place)
            place += 1
        }
        return output
    }

    // MARK: numbers

    private static func threshold(_ position: Int, _ bias: Int) -> Int {
        min(max(position - bias, smallestThreshold), largestThreshold)
    }

    private static func append(_ number: Int, bias: Int, to output: inout [UInt8]) {
        var rest = number
        var position = base
        while true {
            let threshold = threshold(position, bias)
            if rest < threshold { break }
            output.append(digit(threshold + (rest - threshold) % (base - threshold)))
            rest = (rest - threshold) / (base - threshold)
            position += base
        }
        output.append(digit(rest))
    }

    private static func read(_ bytes: [UInt8], _ at: inout Int, bias: Int) -> Int? {
        var number = 0
        var weight = 1
        var position = base
        while at < bytes.count, let digit = value(of: bytes[at]) {
            at += 1
            let (part, isTooLarge) = digit.multipliedReportingOverflow(by: weight)
            guard !isTooLarge, part <= Int(Int32.max) - number else { return nil }
            number += part
            let threshold = threshold(position, bias)
            if digit < threshold { return number }
            weight *= base - threshold
            guard weight <= Int(Int32.max) else { return nil }
            position += base
        }
        return nil
    }

    private static func adapt(_ delta: Int, count: Int, isFirst: Bool) -> Int {
        var rest = isFirst ? delta / damping : delta / 2
        rest += rest / count
        var steps = 0
        while rest > (base - smallestThreshold) * largestThreshold / 2 {
            rest /= base - smallestThreshold
            steps += base
        }
        return steps + (base - smallestThreshold + 1) * rest / (rest + skew)
    }

    private static func digit(_ value: Int) -> UInt8 {
        UInt8(value < 26 ? value + 0x61 : value - 26 + 0x30)
    }

    private static func value(of byte: UInt8) -> Int? {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"): Int(byte) - 0x61
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): Int(byte) - 0x41
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(byte) - 0x30 + 26
        default: nil
        }
    }
}
