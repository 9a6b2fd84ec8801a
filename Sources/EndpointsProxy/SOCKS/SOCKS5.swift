// The client's side of SOCKS 5 (RFC 1928), with user and password (RFC 1929), as a value.
//
//                   method 0                          reply
//   awaitingMethod ──────────────▶ awaitingReply ──────────────▶ established
//        │ method 2                      ▲
//        ▼              accepted         │          failed, from any state, at the
//   awaitingAuthentication ──────────────┘          first byte that cannot belong
//
// The greeting goes out unasked; afterwards each message of the proxy's answers one of ours. The
// value looks at what has come of the current message, a growing prefix, and says what to do; what
// it has consumed, the caller drops. Behind the reply the stream begins, and the lengths here tell
// exactly where: a byte too many taken would be the stream's first.

import EndpointStrings
import EndpointsCore
import EndpointsNet

/// A connection's way through a SOCKS 5 proxy, up to the first byte of its stream.
struct SOCKS5: Hashable, Sendable {
    /// What to do next.
    enum Progress: Hashable, Sendable {
        /// Read on. At least so many further bytes belong to the message.
        case needsMore(atLeast: Int)
        /// Drop `consumed` bytes, send these, then look at what is left.
        case send([UInt8], consumed: Int)
        /// Drop `consumed` bytes; all that follows is the stream.
        case established(BoundAddress, consumed: Int)
    }

    /// Where the proxy's own connection begins, as it says.
    enum BoundAddress: Hashable, Sendable {
        case address(SocketAddress)
        case name([UInt8], port: UInt16)
    }

    private enum State: Hashable {
        case awaitingMethod
        case awaitingAuthentication
        case awaitingReply
        case established(BoundAddress)
        case failed(SOCKS5Error)
    }

    private let target: ProxyTarget
    private let credentials: ProxyCredentials?
    private var state = State.awaitingMethod

    /// Begins a way to `target`.
    ///
    /// - Parameters:
    ///   - target: Where the proxy shall connect.
    ///   - credentials: Offered to the proxy, which may do without; 1 to 255 bytes each.
    /// - Throws: ``ProxyCredentials/InvalidCredentials`` for the wrong number of bytes.
    init(
        to target: ProxyTarget,
        credentials: ProxyCredentials? = nil
    ) throws(ProxyCredentials.InvalidCredentials) {
        if let credentials {
            let lengths = [credentials.user.utf8.count, credentials.password.utf8.count]
            guard lengths.allSatisfy((1...255).contains) else {
                throw ProxyCredentials.InvalidCredentials(
                    description: "SOCKS takes a user and a password of 1 to 255 bytes each"
                )
            }
        }
        self.target = target
        self.credentials = credentials
    }

    /// The first bytes to send: the version and the methods on offer.
    var greeting: [UInt8] { [Wire.version, UInt8(methods.count)] + methods }

    private var methods: [UInt8] {
        credentials == nil ? [Wire.noAuthentication] : [Wire.noAuthentication, Wire.userPassword]
    }

    /// Looks at the proxy's bytes, of which `bytes` is all that has come and was not consumed.
    ///
    /// - Throws: ``SOCKS5Error``, and again the same for all later bytes.
    mutating func receive(_ bytes: Span<UInt8>) throws(SOCKS5Error) -> Progress {
        do throws(SOCKS5Error) {
            switch state {
            case .awaitingMethod:
                return try receiveMethod(bytes)
            case .awaitingAuthentication:
                return try receiveAuthentication(bytes)
            case .awaitingReply:
                return try receiveReply(bytes)
            case .established(let address):
                return .established(address, consumed: 0)
            case .failed(let error):
                throw error
            }
        } catch {
            state = .failed(error)
            throw error
        }
    }

    private mutating func receiveMethod(_ bytes: Span<UInt8>) throws(SOCKS5Error) -> Progress {
        try expect(Wire.version, at: 0, of: bytes, "a SOCKS 5 reply")
        guard bytes.count >= 2 else { return .needsMore(atLeast: 2 - bytes.count) }
        switch (bytes[1], credentials) {
        case (Wire.noAuthentication, _):
            state = .awaitingReply
            return .send(request, consumed: 2)
        case (Wire.userPassword, let credentials?):
            state = .awaitingAuthentication
            return .send(Self.message(credentials), consumed: 2)
        case (Wire.noAcceptableMethod, _):
            throw .noAcceptableMethod(offeredCredentials: credentials != nil)
        default:
            throw unexpected(at: 1, of: bytes, "a method that was offered")
        }
    }

    private mutating func receiveAuthentication(
        _ bytes: Span<UInt8>
    ) throws(SOCKS5Error) -> Progress {
        try expect(Wire.authenticationVersion, at: 0, of: bytes, "version 1 of user and password")
        guard bytes.count >= 2 else { return .needsMore(atLeast: 2 - bytes.count) }
        guard bytes[1] == 0 else { throw .credentialsRefused(status: bytes[1]) }
        state = .awaitingReply
        return .send(request, consumed: 2)
    }

    private mutating func receiveReply(_ bytes: Span<UInt8>) throws(SOCKS5Error) -> Progress {
        try expect(Wire.version, at: 0, of: bytes, "a SOCKS 5 reply")
        if bytes.count > 1, bytes[1] != 0 { throw .refused(Reply(rawValue: bytes[1])) }
        try expect(0, at: 2, of: bytes, "a reserved byte of 0")
        guard bytes.count > 4 else {
            if bytes.count == 4 { _ = try addressLength(of: bytes) }
            return .needsMore(atLeast: Wire.shortestReply - bytes.count)
        }
        let addressStart = bytes[3] == Wire.domainName ? 5 : 4
        let portStart = addressStart + (try addressLength(of: bytes))
        guard bytes.count >= portStart + 2 else {
            return .needsMore(atLeast: portStart + 2 - bytes.count)
        }
        let port = UInt16(bytes[portStart]) << 8 | UInt16(bytes[portStart + 1])
        let address = [UInt8](bytes, addressStart..<portStart)
        let bound: BoundAddress
        if bytes[3] != Wire.domainName, let ip = SocketAddress(canonicalIP: address, port: port) {
            bound = .address(ip)
        } else {
            bound = .name(address, port: port)
        }
        state = .established(bound)
        return .established(bound, consumed: portStart + 2)
    }

    /// How many bytes the reply's address has; of a name, this is its first byte.
    private func addressLength(of bytes: Span<UInt8>) throws(SOCKS5Error) -> Int {
        switch bytes[3] {
        case Wire.ipv4: return 4
        case Wire.ipv6: return 16
        case Wire.domainName: return bytes.count > 4 ? Int(bytes[4]) : 0
        default: throw unexpected(at: 3, of: bytes, "an address type (1, 3 or 4)")
        }
    }
}

// MARK: Messages

extension SOCKS5 {
    private enum Wire {
        static let version: UInt8 = 5
        static let authenticationVersion: UInt8 = 1
        static let noAuthentication: UInt8 = 0x00
        static let userPassword: UInt8 = 0x02
        static let noAcceptableMethod: UInt8 = 0xFF
        static let connect: UInt8 = 1
        static let ipv4: UInt8 = 1
        static let domainName: UInt8 = 3
        static let ipv6: UInt8 = 4
        /// A reply with an empty name.
        static let shortestReply = 7
    }

    /// CONNECT, with a name left for the proxy to resolve (RFC 1928, section 4).
    private var request: [UInt8] {
        let address: [UInt8]
        switch target.host {
        case .address(let bytes):
            address = [bytes.count == 4 ? Wire.ipv4 : Wire.ipv6] + bytes
        case .name(let name):
            address = [Wire.domainName, UInt8(truncatingIfNeeded: name.utf8.count)] + name.utf8
        }
        return [Wire.version, Wire.connect, 0] + address + target.port.bigEndianBytes
    }

    /// RFC 1929, section 2.
    private static func message(_ credentials: ProxyCredentials) -> [UInt8] {
        [Wire.authenticationVersion]
            + [credentials.user, credentials.password].flatMap { text in
                [UInt8(truncatingIfNeeded: text.utf8.count)] + text.utf8
            }
    }

    private func expect(
        _ byte: UInt8,
        at offset: Int,
        of bytes: Span<UInt8>,
        _ expected: String
    ) throws(SOCKS5Error) {
        if bytes.count > offset, bytes[offset] != byte {
            throw unexpected(at: offset, of: bytes, expected)
        }
    }

    private func unexpected(
        at offset: Int,
        of bytes: Span<UInt8>,
        _ expected: String
    ) -> SOCKS5Error {
        let isHTTP = state == .awaitingMethod && bytes[0] == UInt8(ascii: "H")
        return .unexpected(
            UnexpectedBytes(
                bytes,
                at: offset,
                showing: offset,
                expected: expected,
                hint: isHTTP ? "an HTTP proxy? \"connect:\" speaks to those" : nil
            )
        )
    }
}
