// inet_pton is strict, and it is C: it stops at a NUL, so text that contains one must not get there.

import CEndpoints

extension SocketAddress {
    /// The address that `literal` is, or `nil` if it is a name or nothing at all.
    package init?(literal: String, port: UInt16) {
        var kernel = sockaddr_storage()
        guard !literal.utf8.contains(0) else { return nil }
        if endpoints_parse_ip(AF_INET, literal, &kernel) == 1 {
            self.init(.ipv4(endpoints_ipv4_address(&kernel), port: port))
            return
        }
        let parts = literal.split(
            separator: "%",
            maxSplits: 1,
            omittingEmptySubsequences: false
        )
        guard endpoints_parse_ip(AF_INET6, String(parts[0]), &kernel) == 1 else { return nil }
        var scope: UInt32 = 0
        if parts.count == 2 {
            guard let zone = Self.scope(ofZone: parts[1]) else { return nil }
            scope = zone
        }
        self.init(
            ipv6High: endpoints_ipv6_half(&kernel, 0),
            low: endpoints_ipv6_half(&kernel, 1),
            port: port,
            scope: scope
        )
    }

    /// Makes an IPv6 address, or an IPv4 address if that is what it carries (RFC 4291, section 2.5.5.2).
    init(ipv6High high: UInt64, low: UInt64, port: UInt16, scope: UInt32) {
        if high == 0 && low >> 32 == 0xffff {
            self.init(.ipv4(UInt32(truncatingIfNeeded: low), port: port))
        } else {
            self.init(.ipv6(high: high, low: low, port: port, scope: scope))
        }
    }

    /// A zone by the interface's name or by its number (RFC 4007, section 11.2).
    private static func scope(ofZone zone: Substring) -> UInt32? {
        let index = if_nametoindex(String(zone))
        if index != 0 { return index }
        guard zone.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) else {
            return nil
        }
        guard let number = UInt32(zone), number > 0 else { return nil }
        return number
    }
}
