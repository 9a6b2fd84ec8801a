/// A family of Internet addresses.
public enum AddressFamily: Hashable, Sendable, CustomStringConvertible {
    /// IPv4 (RFC 791).
    case ipv4
    /// IPv6 (RFC 8200).
    case ipv6

    /// `IPv4` or `IPv6`.
    public var description: String {
        switch self {
        case .ipv4: "IPv4"
        case .ipv6: "IPv6"
        }
    }

    /// The family that is not this one.
    package var other: AddressFamily { self == .ipv4 ? .ipv6 : .ipv4 }
}
