import EndpointsCore

extension EndpointArgumentFormat where Value == String {
    /// A host to connect to: an address literal or a name; nothing is looked up.
    ///
    /// Names are labels of letters, digits, `-` and `_` (RFC 1123, section 2.1), or text that has such
    /// a form by IDNA (UTS #46); it is kept as it was written. An IPv6 literal is kept as RFC 5952
    /// writes it, so that equal addresses are equal texts, and may have a zone (RFC 4007, section 11).
    public static var host: Self {
        EndpointArgumentFormat(
            expected: "a host name or an IP address",
            read: readHost,
            write: { HostName.canonical($0) }
        )
    }

    /// A local address to listen on, or its name; empty for all of them.
    public static var interface: Self {
        EndpointArgumentFormat(
            expected: "a local address or its name, or nothing for all",
            allowsEmpty: true,
            read: { $0.isEmpty ? "" : try readHost($0) },
            write: { HostName.canonical($0) }
        )
    }

    /// A local address to connect from, or its name, with a port behind it or without.
    public static var localAddress: Self {
        EndpointArgumentFormat(
            expected: "a local address or its name",
            read: { text in
                let place = LocalPlace(text)
                _ = try readHost(place.host)
                return text
            },
            write: { LocalPlace.canonical($0) }
        )
    }

    private static func readHost(_ text: String) throws -> String {
        do {
            _ = try HostName(text)
            return HostName.canonical(text)
        } catch {
            throw EndpointArgumentError(error.reason, hint: error.hint)
        }
    }
}
