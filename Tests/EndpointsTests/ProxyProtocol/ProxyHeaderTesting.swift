import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

func parse(
    _ bytes: [UInt8],
    limit: Int = ProxyHeader.defaultLimit
) throws(UnexpectedBytes) -> ProxyHeader.Progress {
    try ProxyHeader.parse(bytes.span, limit: limit)
}

/// What a parser made of some bytes, without the words.
enum ProxyOutcome: Equatable {
    case needsMore
    case complete(ProxyHeader, length: Int)
    case invalid(offset: Int, expected: String)

    init(_ bytes: [UInt8], limit: Int = ProxyHeader.defaultLimit) {
        do {
            switch try parse(bytes, limit: limit) {
            case .needsMore: self = .needsMore
            case .complete(let header, let length): self = .complete(header, length: length)
            }
        } catch {
            self = .invalid(offset: error.offset, expected: error.expected)
        }
    }

    /// What comes of the bytes when they arrive one by one.
    static func fedByteByByte(_ bytes: [UInt8]) -> ProxyOutcome {
        for count in 0..<bytes.count {
            let outcome = ProxyOutcome(Array(bytes.prefix(count)))
            if outcome != .needsMore { return outcome }
        }
        return ProxyOutcome(bytes)
    }
}

/// Checks that each proper prefix asks for more, but never for more than the header has, and that
/// what follows changes nothing.
func expectCompleteOnlyAtItsEnd(_ bytes: [UInt8]) throws {
    for count in 0..<bytes.count {
        guard case .needsMore(let wanted) = try parse(Array(bytes[..<count])) else {
            Issue.record("\(count) of \(bytes.count) bytes are taken for a header")
            continue
        }
        #expect((1...(bytes.count - count)).contains(wanted), "\(count) bytes")
    }
    let whole = try parse(bytes)
    guard case .complete(_, bytes.count) = whole else {
        Issue.record("not complete after \(bytes.count) bytes: \(whole)")
        return
    }
    for next in ["PROXY TCP4 ", "\r\n\r\n\0\r\nQUIT\n", "\u{1}\0\u{1}x"] {
        #expect(try parse(bytes + next.utf8) == whole)
    }
}

func ip(_ address: String, _ port: UInt16) throws -> SocketAddress {
    try SocketAddress(ip: address, port: port)
}
