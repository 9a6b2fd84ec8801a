import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

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
