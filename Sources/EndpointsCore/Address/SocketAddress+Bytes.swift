// An IP address as the bytes that headers carry it in, network order.

extension SocketAddress {
    /// An IPv4 address.
    package init(ipv4 bytes: (UInt8, UInt8, UInt8, UInt8), port: UInt16) {
        let high = UInt32(bytes.0) << 24 | UInt32(bytes.1) << 16
        self.init(.ipv4(high | UInt32(bytes.2) << 8 | UInt32(bytes.3), port: port))
    }

    /// An IPv6 address without a zone; bytes that lack of 16 are zero, and more are left out.
    package init(ipv6 bytes: [UInt8], port: UInt16) {
        func half(_ part: ArraySlice<UInt8>) -> UInt64 {
            let value = part.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return value << UInt64(8 * (8 - part.count))
        }
        self.init(
            ipv6High: half(bytes.prefix(8)),
            low: half(bytes.dropFirst(8).prefix(8)),
            port: port,
            scope: 0
        )
    }

    /// The 4 or 16 bytes of an IP address; `nil` if it is none.
    package var ipBytes: [UInt8]? {
        switch storage {
        case .ipv4(let address, _): address.bigEndianBytes
        case .ipv6(let high, let low, _, _): high.bigEndianBytes + low.bigEndianBytes
        case .unix, .named: nil
        }
    }

    /// Whether it is a UNIX socket's, with a name or without.
    package var isUNIX: Bool {
        if case .unix = storage { true } else { false }
    }
}
