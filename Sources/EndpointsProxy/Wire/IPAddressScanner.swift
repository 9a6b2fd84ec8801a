// IPv4 and IPv6 addresses in text, a byte at a time.
//
// A PROXY line is refused at the first byte that cannot belong, so the scanner answers after each
// byte whether an address can still come of it: every prefix that it has accepted can be completed.
// That is more than inet_pton(3) tells, which wants the whole text and of which some systems'
// versions take "127.1" or leading zeros. What is accepted in the end is the same as glibc's
// inet_pton(3) accepts.
//
// IPv6 (RFC 4291, section 2.2) needs care at three places: "::" stands for one group at least, so
// only seven others may be written beside it; a lone colon is no end; and a dot turns the group
// before it, which was read as hexadecimal, into the first part of an IPv4 address, which fills two
// groups.

import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Reads an IPv4 or IPv6 address a byte at a time.
enum IPAddressScanner: Hashable, Sendable {
    case ipv4(IPv4Scanner)
    case ipv6(IPv6Scanner)

    /// Takes the next byte; `false` if no address can begin with what has come.
    mutating func consume(_ byte: UInt8) -> Bool {
        switch self {
        case .ipv4(var scanner):
            let fits = scanner.consume(byte)
            self = .ipv4(scanner)
            return fits
        case .ipv6(var scanner):
            let fits = scanner.consume(byte)
            self = .ipv6(scanner)
            return fits
        }
    }

    /// The address, 4 or 16 bytes in network order; `nil` while it is incomplete.
    var bytes: [UInt8]? {
        switch self {
        case .ipv4(let scanner): scanner.bytes
        case .ipv6(let scanner): scanner.bytes
        }
    }

    /// The 4 or 16 bytes of an address literal, or `nil` if the text is none.
    ///
    /// Zones and brackets are no part of an address.
    static func bytes(of text: some StringProtocol) -> [UInt8]? {
        var scanner: IPAddressScanner =
            text.utf8.contains(UInt8(ascii: ":")) ? .ipv6(IPv6Scanner()) : .ipv4(IPv4Scanner())
        for byte in text.utf8 where !scanner.consume(byte) {
            return nil
        }
        return scanner.bytes
    }
}

/// Reads four decimal numbers with dots between them; no leading zeros.
struct IPv4Scanner: Hashable, Sendable {
    private var octets: [UInt8] = []
    private var current: UInt8?

    mutating func consume(_ byte: UInt8) -> Bool {
        if byte == UInt8(ascii: ".") {
            guard let octet = current, octets.count < 3 else { return false }
            octets.append(octet)
            current = nil
            return true
        }
        guard let digit = byte.decimalDigit else { return false }
        guard let value = current else {
            current = digit
            return true
        }
        let longer = UInt16(value) * 10 + UInt16(digit)
        guard value != 0, longer <= 255 else { return false }
        current = UInt8(longer)
        return true
    }

    var bytes: [UInt8]? {
        guard octets.count == 3, let current else { return nil }
        return octets + [current]
    }
}

/// Reads groups of hexadecimal digits with colons between them, and an IPv4 address at the end.
struct IPv6Scanner: Hashable, Sendable {
    private enum Previous: Hashable {
        case start
        case leadingColon
        case digit
        case colon
        case gap
        case ipv4
    }

    /// The groups that have ended.
    private var groups: [UInt16] = []
    /// How many groups stand before "::".
    private var gap: Int?
    private var previous = Previous.start
    private var group: UInt16 = 0
    private var digitCount = 0
    /// The current group read as the beginning of an IPv4 address; `nil` if it cannot be one.
    private var tail: IPv4Scanner? = IPv4Scanner()

    private var room: Int { gap == nil ? 8 : 7 }

    mutating func consume(_ byte: UInt8) -> Bool {
        if previous == .ipv4 { return tail?.consume(byte) ?? false }
        if let digit = byte.hexadecimalDigit { return consumeDigit(digit, byte) }
        switch byte {
        case UInt8(ascii: ":"): return consumeColon()
        case UInt8(ascii: "."): return consumeDot()
        default: return false
        }
    }

    private mutating func consumeDigit(_ digit: UInt8, _ byte: UInt8) -> Bool {
        guard previous != .leadingColon, groups.count < room, digitCount < 4 else { return false }
        if var scanner = tail {
            tail = scanner.consume(byte) ? scanner : nil
        }
        group = group << 4 | UInt16(digit)
        digitCount += 1
        previous = .digit
        return true
    }

    private mutating func consumeColon() -> Bool {
        switch previous {
        case .start:
            previous = .leadingColon
        case .digit:
            // Another group must fit behind it, or "::", which is a group too.
            guard groups.count + 1 < room else { return false }
            groups.append(group)
            (group, digitCount, tail) = (0, 0, IPv4Scanner())
            previous = .colon
        case .leadingColon, .colon:
            guard gap == nil else { return false }
            gap = groups.count
            previous = .gap
        case .gap, .ipv4:
            return false
        }
        return true
    }

    private mutating func consumeDot() -> Bool {
        let fits = gap == nil ? groups.count == 6 : groups.count <= 5
        guard previous == .digit, fits, var scanner = tail, scanner.consume(UInt8(ascii: "."))
        else {
            return false
        }
        tail = scanner
        previous = .ipv4
        return true
    }

    var bytes: [UInt8]? {
        var all = groups
        switch previous {
        case .start, .leadingColon, .colon:
            return nil
        case .digit:
            all.append(group)
        case .gap:
            break
        case .ipv4:
            guard let last = tail?.bytes else { return nil }
            all.append(UInt16(last[0]) << 8 | UInt16(last[1]))
            all.append(UInt16(last[2]) << 8 | UInt16(last[3]))
        }
        if let gap {
            all.insert(contentsOf: repeatElement(0, count: 8 - all.count), at: gap)
        }
        guard all.count == 8 else { return nil }
        return all.flatMap { [UInt8(truncatingIfNeeded: $0 >> 8), UInt8(truncatingIfNeeded: $0)] }
    }
}

extension UInt8 {
    /// The value of an ASCII decimal digit.
    var decimalDigit: UInt8? {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) ? self - UInt8(ascii: "0") : nil
    }

    /// The value of an ASCII hexadecimal digit, either case.
    var hexadecimalDigit: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension SocketAddress {
    /// An IP address of 4 or 16 bytes; `nil` for any other number of bytes.
    ///
    /// An IPv4-mapped one (`::ffff:a.b.c.d`) becomes IPv4.
    init?(canonicalIP bytes: [UInt8], port: UInt16) {
        let bytes = bytes.unmappedIP
        switch bytes.count {
        case 4: self.init(ipv4: (bytes[0], bytes[1], bytes[2], bytes[3]), port: port)
        case 16: self.init(ipv6: bytes, port: port)
        default: return nil
        }
    }
}

extension [UInt8] {
    /// An IPv4-mapped IPv6 address as IPv4 (RFC 4291, section 2.5.5.2); others unchanged.
    var unmappedIP: [UInt8] {
        count == 16 && starts(with: Self.mappedPrefix) ? Array(self[12...]) : self
    }

    /// An IPv4 address as IPv4-mapped IPv6; an IPv6 address unchanged.
    var mappedIP: [UInt8] {
        count == 4 ? Self.mappedPrefix + self : self
    }

    private static var mappedPrefix: [UInt8] { [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF] }
}
