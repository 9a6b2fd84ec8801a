// One value for every address that a socket can have, small enough to keep with each connection.
//
// Each address has one form only, so that equality means what it says: an IPv4 address that came in
// an IPv6 one (`::ffff:192.0.2.1`, what a dual-stack socket reports) is an IPv4 address, an abstract
// UNIX name is `@name` whichever way it was written, and a file called `@name` is `./@name`.

/// The address of a socket: IPv4 or IPv6 with a port, or the path of a UNIX socket.
///
/// Prints as `127.0.0.1:80`, `[fe80::1%eth0]:80`, `/run/app.sock`, `@name`. In a UNIX name, which the
/// peer chooses, control characters, marks that turn the direction of text, backslashes and bytes that
/// are not UTF-8 print escaped, so that a log line stays one line; ``path`` has them as they are.
public struct SocketAddress: Hashable, Sendable {
    enum Storage: Hashable, Sendable {
        case ipv4(UInt32, port: UInt16)
        case ipv6(high: UInt64, low: UInt64, port: UInt16, scope: UInt32)
        /// Empty: a UNIX socket without a name. `@…`: an abstract name. Not always UTF-8.
        case unix([UInt8])
        /// What is no socket of the kernel's, such as standard input: only for people to read.
        case named(String)
    }
    var storage: Storage

    init(_ storage: Storage) { self.storage = storage }

    /// Makes an address out of the text of an IP address.
    ///
    /// The text is an IPv4 address of four decimal numbers, or an IPv6 address (RFC 4291, section
    /// 2.2), without brackets; a zone may follow (RFC 4007, section 11), by name or by number:
    /// `fe80::1%eth0`, `fe80::1%2`. No name is looked up, and the other spellings that C accepts
    /// (`127.1`, `0x7f.1`) are refused. `::ffff:192.0.2.1` is the IPv4 address 192.0.2.1.
    ///
    /// - Parameters:
    ///   - ip: The address.
    ///   - port: The port; 0 where the kernel shall choose one.
    /// - Throws: ``EndpointError`` with code `invalidArgument`.
    public init(ip: String, port: UInt16) throws {
        guard let address = SocketAddress(literal: ip, port: port) else {
            throw EndpointError(
                .invalidArgument,
                operation: "parse",
                endpoint: "\"\(ip)\"",
                reason: ip.utf8.contains(UInt8(ascii: "%"))
                    ? "not an IPv6 address with the zone of an interface of this host"
                    : "not an IP address"
            )
        }
        self = address
    }

    /// Makes the address of a UNIX socket (unix(7)).
    ///
    /// - Parameter path: A path in the file system, or `@name` for a name in the abstract namespace
    ///   (also written with a NUL in front). A path longer than 107 bytes is refused when it is
    ///   used, not here.
    public init(path: String) {
        var bytes = Array(path.utf8)
        if bytes.first == 0 { bytes[0] = UInt8(ascii: "@") }
        self.init(.unix(bytes))
    }

    /// Makes the address of a UNIX socket from bytes as the kernel has them.
    ///
    /// A leading NUL begins an abstract name, in which every byte counts; a path ends at a NUL.
    package init(unixName bytes: some Collection<UInt8>) {
        let at = UInt8(ascii: "@")
        guard let first = bytes.first, first != 0 else {
            self.init(.unix(bytes.isEmpty ? [] : [at] + bytes.dropFirst()))
            return
        }
        let path = Array(bytes.prefix { $0 != 0 })
        self.init(.unix(first == at ? [UInt8(ascii: "."), UInt8(ascii: "/")] + path : path))
    }

    /// Makes an address that only prints.
    package init(named name: String) { self.init(.named(name)) }

    /// The address without the port, as text that `init(ip:port:)` takes; `nil` if it is no IP address.
    public var ip: String? {
        switch storage {
        case .ipv4, .ipv6: printedIP
        case .unix, .named: nil
        }
    }

    /// The port; `nil` if it is no IP address.
    public var port: UInt16? {
        switch storage {
        case .ipv4(_, let port), .ipv6(_, _, let port, _): port
        case .unix, .named: nil
        }
    }

    /// The path or the `@name` of a UNIX socket; `nil` if it has none.
    ///
    /// U+FFFD stands for what is not UTF-8. The text is not escaped: the peer chose it.
    public var path: String? {
        unixName.map { String(decoding: $0, as: UTF8.self) }
    }

    /// The bytes of ``path``.
    package var unixName: [UInt8]? {
        if case .unix(let name) = storage, !name.isEmpty { name } else { nil }
    }

    /// The family of an IP address; `nil` if it is none.
    public var family: AddressFamily? {
        switch storage {
        case .ipv4: .ipv4
        case .ipv6: .ipv6
        case .unix, .named: nil
        }
    }

    /// The same IP address with another port; any other address as it is.
    package func withPort(_ port: UInt16) -> SocketAddress {
        switch storage {
        case .ipv4(let address, _): SocketAddress(.ipv4(address, port: port))
        case .ipv6(let high, let low, _, let scope):
            SocketAddress(.ipv6(high: high, low: low, port: port, scope: scope))
        case .unix, .named: self
        }
    }

    /// Whether it stands for all addresses of the host: `0.0.0.0` or `::`.
    package var isUnspecified: Bool {
        switch storage {
        case .ipv4(let address, _): address == 0
        case .ipv6(let high, let low, _, _): high == 0 && low == 0
        case .unix, .named: false
        }
    }

    /// Whether it is the host itself: 127.0.0.0/8 or `::1`.
    package var isLoopback: Bool {
        switch storage {
        case .ipv4(let address, _): address >> 24 == 127
        case .ipv6(let high, let low, _, _): high == 0 && low == 1
        case .unix, .named: false
        }
    }

    /// Whether it means something on one link only, and so needs a zone: fe80::/10.
    package var isLinkLocal: Bool {
        if case .ipv6(let high, _, _, _) = storage { high >> 54 == 0xfe80 >> 6 } else { false }
    }

    /// Whether it is a name in the abstract namespace.
    package var isAbstract: Bool {
        unixName?.first == UInt8(ascii: "@")
    }

    package static func loopback(_ family: AddressFamily, port: UInt16) -> SocketAddress {
        switch family {
        case .ipv4: SocketAddress(.ipv4(0x7f00_0001, port: port))
        case .ipv6: SocketAddress(.ipv6(high: 0, low: 1, port: port, scope: 0))
        }
    }

    package static func unspecified(_ family: AddressFamily, port: UInt16) -> SocketAddress {
        switch family {
        case .ipv4: SocketAddress(.ipv4(0, port: port))
        case .ipv6: SocketAddress(.ipv6(high: 0, low: 0, port: port, scope: 0))
        }
    }
}
