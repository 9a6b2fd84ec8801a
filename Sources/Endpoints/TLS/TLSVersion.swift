import COpenSSL

/// A version of the protocol; older ones are insecure and not offered (RFC 8996).
public enum TLSVersion: String, Sendable, Hashable, CaseIterable, Comparable,
    CustomStringConvertible, EndpointArgumentValue
{
    /// TLS 1.2 (RFC 5246).
    case tls12 = "1.2"
    /// TLS 1.3 (RFC 8446).
    case tls13 = "1.3"

    /// Whether it is the older one.
    public static func < (left: TLSVersion, right: TLSVersion) -> Bool {
        left.rawValue < right.rawValue
    }

    /// `TLS 1.3`.
    public var description: String { "TLS \(rawValue)" }

    var number: Int32 { self == .tls12 ? ENDPOINTS_TLS1_2 : ENDPOINTS_TLS1_3 }

    init?(number: Int32) {
        switch number {
        case ENDPOINTS_TLS1_2: self = .tls12
        case ENDPOINTS_TLS1_3: self = .tls13
        default: return nil
        }
    }
}

/// Whom to trust: the certificates at which a chain may end.
public enum TrustRoots: Sendable, Hashable {
    /// Those of the system, as OpenSSL finds them; `SSL_CERT_FILE` and `SSL_CERT_DIR` are heeded.
    case system
    /// A PEM file, or a directory of them: what is there when it is read decides.
    case path(String)
    /// Every certificate of a PEM file.
    case file(String)
    /// Every certificate of the PEM files in a directory.
    ///
    /// Files whose names end in `.pem`, `.crt` or `.cer`, or are hashes (`xxxxxxxx.0`).
    case directory(String)
    /// Nobody is checked: whoever can reach the connection can read and change what passes.
    ///
    /// Neither the chain nor the name of the peer is looked at. There is no way to say this in a
    /// string.
    case insecurelyTrustsAnybody
}

/// Whether a server wants a certificate of its clients.
public enum ClientCertificateRequest: String, Sendable, Hashable, CaseIterable,
    EndpointArgumentValue
{
    /// It asks for none.
    case none
    /// It asks, and serves those that have none, too. A bad one is refused.
    case request
    /// It refuses who has none.
    case require
}

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
