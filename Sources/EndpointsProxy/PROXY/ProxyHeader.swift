// The PROXY protocol's header as a value: who connects to whom, as the proxy before us says.
//
// Everything here is another host's claim. It is never resolved, connected to or used as a path,
// and is worth as much as the trust in the sender (TrustedSources).
//
// The header comes first on the connection and in any number of pieces, so parsing looks at a
// growing prefix and gives one of three answers: more is needed, a header of so many bytes, or,
// thrown at the first byte that cannot belong, why not. There is no fourth, "no header": a port
// speaks PROXY or it does not, since a client could otherwise claim any address. What follows the
// header is the stream's, even if it looks like another header.

import EndpointStrings
import EndpointsCore
import EndpointsNet

/// What a proxy says of the connection that it passes on: the PROXY protocol, versions 1 and 2.
///
/// Follows HAProxy's `proxy-protocol.txt`. The addresses are the sender's claim.
public struct ProxyHeader: Hashable, Sendable {
    /// The form on the wire.
    public enum Version: Int, Hashable, Sendable {
        /// A line of text, of at most 107 bytes (section 2.1).
        case v1 = 1
        /// Binary, with room for TLVs (section 2.2).
        case v2 = 2
    }

    /// On whose behalf the connection was made.
    public enum Command: Hashable, Sendable {
        /// The proxy's own connection, such as a health check, or one of unknown origin
        /// (version 1's `UNKNOWN`): the socket's own addresses are the true ones.
        case local
        /// A connection passed on for somebody else.
        case proxy
    }

    /// The form that the header came in, or is to be sent in.
    public var version: Version

    /// On whose behalf the connection was made.
    public var command: Command

    /// The client's address; IPv4-mapped IPv6 is given as IPv4.
    ///
    /// `nil` if the header names none that a byte stream can have: then the socket's own addresses
    /// apply.
    public var source: SocketAddress?

    /// The address that the client connected to; `nil` as in ``source``.
    public var destination: SocketAddress?

    /// What came beside the addresses, in order, duplicates and unknown types included; version 2
    /// only.
    public var tlvs: [TLV]

    /// Makes a header that names a client and the address that it connected to.
    ///
    /// - Parameters:
    ///   - source: The client's address.
    ///   - destination: The address that the client connected to, of the same kind (IP or UNIX);
    ///     not that of our own outgoing connection.
    ///   - version: The form on the wire; 2 unless told.
    ///   - tlvs: What to send beside the addresses; version 2 only.
    public init(
        source: SocketAddress?,
        destination: SocketAddress?,
        version: Version = .v2,
        tlvs: [TLV] = []
    ) {
        self.init(
            version: version,
            command: .proxy,
            source: source,
            destination: destination,
            tlvs: tlvs
        )
    }

    /// The header of a connection of the sender's own, such as a health check.
    ///
    /// - Parameter version: The form on the wire; version 1 says `PROXY UNKNOWN`.
    /// - Returns: A header without addresses.
    public static func local(version: Version = .v2) -> ProxyHeader {
        ProxyHeader(version: version, command: .local, source: nil, destination: nil, tlvs: [])
    }

    init(
        version: Version,
        command: Command,
        source: SocketAddress?,
        destination: SocketAddress?,
        tlvs: [TLV]
    ) {
        self.version = version
        self.command = command
        self.source = source
        self.destination = destination
        self.tlvs = tlvs
    }

    /// Makes the header to pass on to the next hop.
    ///
    /// TLVs of a sender that is not trusted must not be passed on. CRC32C is made anew when a header
    /// is sent, and NOOP goes no further than one hop.
    ///
    /// - Parameter types: The types of the TLVs that are kept; none unless told.
    /// - Returns: The same addresses, with those TLVs.
    public func forwarded(keeping types: Set<TLVType> = []) -> ProxyHeader {
        var copy = self
        let kept = types.subtracting([.crc32c, .noop])
        copy.tlvs = tlvs.filter { kept.contains($0.type) }
        return copy
    }
}

// MARK: Reading

extension ProxyHeader {
    /// What a prefix of a stream amounts to.
    enum Progress: Hashable, Sendable {
        /// The header is not complete. At least so many further bytes belong to it: who reads no
        /// more than that at a time takes nothing of what follows.
        case needsMore(atLeast: Int)
        /// The header, and how many bytes it took; what follows is the stream's.
        case complete(ProxyHeader, length: Int)
    }

    /// How long a version 2 header's addresses and TLVs may be together, unless told.
    ///
    /// A client's certificate fits.
    static let defaultLimit = 4096

    /// Looks for a header at the start of a stream, of which `bytes` is all that has come.
    ///
    /// The same bytes give the same answer however they were cut into reads.
    ///
    /// - Parameters:
    ///   - bytes: The stream's bytes so far, from its first.
    ///   - limit: How long a version 2 header's addresses and TLVs may be together.
    /// - Returns: The header, or how much more to read.
    /// - Throws: ``UnexpectedBytes`` as soon as no header can come of it.
    static func parse(
        _ bytes: Span<UInt8>,
        limit: Int = defaultLimit
    ) throws(UnexpectedBytes) -> Progress {
        guard !bytes.isEmpty else { return .needsMore(atLeast: V1.shortest) }
        let isBinary = bytes[0] == V2.signature[0]
        let signature = isBinary ? V2.signature : V1.signature
        for index in 0..<min(signature.count, bytes.count) where bytes[index] != signature[index] {
            throw UnexpectedBytes(
                bytes,
                at: index,
                showing: 0,
                expected: "\"PROXY \" or the version 2 signature",
                hint: hint(for: bytes)
            )
        }
        return try isBinary ? parseV2(bytes, limit: limit) : parseV1(bytes)
    }

    /// Names what speaks here instead, which is most often a client that came without the proxy.
    private static func hint(for bytes: Span<UInt8>) -> String? {
        if bytes[0] == 0x16, bytes.count == 1 || bytes[1] == 3 {
            return "this is a TLS client hello: the header has to come before TLS"
        }
        let start = [UInt8](bytes, 0..<min(bytes.count, 8))
        let methods = ["GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS ", "CONNECT ", "PRI "]
        if methods.contains(where: { start.starts(with: $0.utf8) }) {
            return "this is an HTTP request: the sender does not send PROXY headers"
        }
        return nil
    }
}

// MARK: Sending

extension ProxyHeader {
    /// Why a header cannot be sent as it is.
    struct FormatError: Error, Hashable, Sendable, CustomStringConvertible {
        var description: String
    }

    /// The header's bytes, to be sent first of all, before TLS.
    ///
    /// In version 1, UNIX addresses cannot be named and become `UNKNOWN`. IPv4 beside IPv6 is sent
    /// as IPv6 (`::ffff:a.b.c.d`).
    ///
    /// - Parameter checksum: Adds a CRC32C, in version 2. One that is among the TLVs is made anew
    ///   in any case.
    /// - Returns: The whole header.
    /// - Throws: ``FormatError`` if the addresses do not go together, or a TLV is too long.
    func serialized(checksum: Bool = false) throws(FormatError) -> [UInt8] {
        switch version {
        case .v1: try serializedV1()
        case .v2: try serializedV2(checksum: checksum)
        }
    }

    /// The addresses as they go on the wire.
    enum AddressBlock {
        case unspecified
        case ipv4(source: [UInt8], destination: [UInt8])
        case ipv6(source: [UInt8], destination: [UInt8])
        case unix(source: [UInt8], destination: [UInt8])
    }

    func addressBlock() throws(FormatError) -> AddressBlock {
        let named = [source, destination].compactMap(\.self).filter {
            $0.ipBytes != nil || $0.isUNIX
        }
        // Standard input and the like have no address that a header could name.
        guard command == .proxy, !named.isEmpty else { return .unspecified }
        if let from = source?.ipBytes?.unmappedIP, let to = destination?.ipBytes?.unmappedIP {
            return from.count == 4 && to.count == 4
                ? .ipv4(source: from, destination: to)
                : .ipv6(source: from.mappedIP, destination: to.mappedIP)
        }
        // An unnamed UNIX socket has no address.
        guard named.allSatisfy(\.isUNIX) else {
            throw FormatError(
                description: "a PROXY header cannot name \(Self.name(source)) as source and "
                    + "\(Self.name(destination)) as destination: both must be IP, or both UNIX"
            )
        }
        return .unix(source: source?.unixName ?? [], destination: destination?.unixName ?? [])
    }

    private static func name(_ address: SocketAddress?) -> String {
        address.map { "\($0)" } ?? "nothing"
    }
}
