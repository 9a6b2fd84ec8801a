// Bytes of a stranger as text on one line.
//
// A socket's path, a line that a program writes to its standard error: any bytes, which a log then
// shows on an operator's terminal. What is ordinary text stays as it is. Line breaks, controls and
// marks that turn the direction of text are written as Swift escapes, and a byte that is not part of
// UTF-8 as `\xFF`, so that two different byte strings never look the same.

extension String {
    /// Makes the text of bytes, escaping everything that could pass for a new line or a command.
    ///
    /// - Parameters:
    ///   - bytes: What should be UTF-8; a byte that is not becomes `\xFF`.
    ///   - backslashes: Whether a backslash becomes two, so that the text is unambiguous.
    package init(escapingControlsIn bytes: [UInt8], backslashes: Bool) {
        let isPlain = bytes.allSatisfy { byte in
            (0x20..<0x7F).contains(byte) && !(backslashes && byte == UInt8(ascii: "\\"))
        }
        self.init()
        guard !isPlain else {
            self = String(decoding: bytes, as: UTF8.self)
            return
        }
        var rest = bytes.makeIterator()
        var at = 0
        var parser = Unicode.UTF8.ForwardParser()
        while true {
            switch parser.parseScalar(from: &rest) {
            case .emptyInput:
                return
            case .error(let length):
                for byte in bytes[at..<(at + length)] {
                    let digits = String(byte, radix: 16, uppercase: true)
                    self += digits.utf8.count == 1 ? "\\x0\(digits)" : "\\x\(digits)"
                }
                at += length
            case .valid(let encoded):
                let scalar = Unicode.UTF8.decode(encoded)
                if scalar.isControl || (backslashes && scalar == "\\") {
                    self += scalar.escaped(asASCII: true)
                } else {
                    unicodeScalars.append(scalar)
                }
                at += encoded.count
            }
        }
    }
}

extension Unicode.Scalar {
    /// Whether a terminal or a log could take it for a command or a new line.
    package var isControl: Bool {
        // Most text is ASCII, and Unicode's tables are slow.
        if isASCII { return value < 0x20 || value == 0x7f }
        return switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        // The marks that turn the direction of text (UAX #9, section 2).
        case .format: properties.isBidiControl
        default: false
        }
    }
}
