// An IPv6 address prints as RFC 5952 asks: lower case, longest run of zeros cut, brackets round it
// when a port follows.
//
// A UNIX name is any bytes that its owner likes, and a peer is the owner of its own. It prints
// escaped here, once, so that no log, error or event can be forged by way of it.

import CEndpoints

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:80`, `[::1]:80`, `[fe80::1%eth0]:80`, `/run/app.sock`, `@name`.
    ///
    /// A UNIX socket without a name is `unix:`. Always one line: `/run/a\nb` has a line feed in it.
    public var description: String {
        switch storage {
        case .ipv4(_, let port): "\(printedIP):\(port)"
        case .ipv6(_, _, let port, _): "[\(printedIP)]:\(port)"
        case .unix(let name):
            name.isEmpty ? "unix:" : String(escapingControlsIn: name, backslashes: true)
        case .named(let name):
            String(escapingControlsIn: Array(name.utf8), backslashes: true)
        }
    }

    var printedIP: String {
        var kernel = sockaddr_storage()
        var zone = ""
        switch storage {
        case .ipv4(let address, _):
            _ = endpoints_ipv4_make(&kernel, address, 0)
        case .ipv6(let high, let low, _, let scope):
            _ = endpoints_ipv6_make(&kernel, high, low, 0, scope)
            if scope != 0 { zone = "%\(Self.zone(ofScope: scope))" }
        case .unix, .named:
            return ""
        }
        return Self.print(&kernel) + zone
    }

    /// The text of an IPv6 literal without a zone as RFC 5952 has it; `nil` if it is none.
    ///
    /// One that carries an IPv4 address stays IPv6.
    package static func canonical(ipv6 literal: String) -> String? {
        var kernel = sockaddr_storage()
        guard endpoints_parse_ip(AF_INET6, literal, &kernel) == 1 else { return nil }
        return print(&kernel)
    }

    private static func print(_ kernel: inout sockaddr_storage) -> String {
        let capacity = Int(INET6_ADDRSTRLEN)
        return String(unsafeUninitializedCapacity: capacity) { buffer in
            buffer.withMemoryRebound(to: CChar.self) { characters in
                guard
                    let base = characters.baseAddress,
                    endpoints_print_ip(&kernel, base, socklen_t(capacity)) != nil
                else { return 0 }
                return strlen(base)
            }
        }
    }

    /// The interface's name, or its number if it is gone.
    private static func zone(ofScope scope: UInt32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IF_NAMESIZE)) { buffer in
            guard
                let base = buffer.baseAddress,
                let name = if_indextoname(scope, base)
            else { return String(scope) }
            return String(cString: name)
        }
    }
}
