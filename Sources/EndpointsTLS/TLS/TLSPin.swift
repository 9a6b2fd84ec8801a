import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

/// The SHA-256 of a public key (SubjectPublicKeyInfo, as in RFC 7469, section 2.4).
public struct TLSPin: Sendable, Hashable {
    /// 32 bytes.
    public let digest: [UInt8]

    /// Makes a pin of its digest; `nil` unless that has 32 bytes.
    public init?(digest: [UInt8]) {
        guard digest.count == 32 else { return nil }
        self.digest = digest
    }

    /// Makes a pin of 64 hexadecimal digits, perhaps with colons between pairs, or of Base64.
    public init?(_ text: String) {
        let digits = text.utf8.filter { $0 != UInt8(ascii: ":") }
        if digits.count == 64 {
            var bytes: [UInt8] = []
            var high: UInt8?
            for digit in digits {
                guard let value = Self.hexadecimal(digit) else { return nil }
                if let first = high {
                    bytes.append(first << 4 | value)
                    high = nil
                } else {
                    high = value
                }
            }
            digest = bytes
            return
        }
        guard let bytes = Self.base64(Array(text.utf8)), bytes.count == 32 else { return nil }
        digest = bytes
    }

    /// The digest in hexadecimal digits.
    public var text: String { digest.hexadecimal }

    private static func hexadecimal(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// 44 signs, of which the last is padding.
    private static func base64(_ text: [UInt8]) -> [UInt8]? {
        guard text.count == 44, text.last == UInt8(ascii: "=") else { return nil }
        var bytes = [UInt8](repeating: 0, count: 48)
        guard EVP_DecodeBlock(&bytes, text, 44) == 33 else { return nil }
        return Array(bytes[..<32])
    }
}

extension TLSPin: EndpointArgumentValue {
    /// The digest in hexadecimal digits or Base64; written in digits.
    public static var argumentFormat: EndpointArgumentFormat<TLSPin> {
        EndpointArgumentFormat(
            expected: "the SHA-256 of a public key, in hexadecimal digits or Base64",
            read: { text in
                guard let pin = TLSPin(text) else { throw EndpointArgumentError() }
                return pin
            },
            write: { $0.text }
        )
    }
}

extension Collection<UInt8> {
    /// Two digits a byte, in lower case.
    var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in self {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
