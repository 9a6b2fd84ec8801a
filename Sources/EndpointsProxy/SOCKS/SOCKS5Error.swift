import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Why a SOCKS proxy did not connect us.
enum SOCKS5Error: Error, Hashable, Sendable, CustomStringConvertible {
    /// The proxy says so, with a reason.
    case refused(SOCKS5.Reply)
    /// The proxy wants to know who we are in a way that was not offered.
    case noAcceptableMethod(offeredCredentials: Bool)
    /// The proxy does not know the user, or not with this password.
    case credentialsRefused(status: UInt8)
    /// What came is not SOCKS 5.
    case unexpected(UnexpectedBytes)

    var description: String {
        switch self {
        case .refused(let reply):
            "the proxy says: \(reply)"
        case .noAcceptableMethod(offeredCredentials: true):
            "the proxy takes neither user and password nor no authentication"
        case .noAcceptableMethod(offeredCredentials: false):
            "the proxy wants authentication; give a user and a password"
        case .credentialsRefused(let status):
            "the proxy refuses the user or the password (status \(status))"
        case .unexpected(let bytes):
            "\(bytes)"
        }
    }
}

extension SOCKS5 {
    /// What the proxy says of the connection that was asked for (RFC 1928, section 6).
    struct Reply: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        var rawValue: UInt8

        static let succeeded = Reply(rawValue: 0)
        static let generalFailure = Reply(rawValue: 1)
        static let notAllowed = Reply(rawValue: 2)
        static let networkUnreachable = Reply(rawValue: 3)
        static let hostUnreachable = Reply(rawValue: 4)
        static let connectionRefused = Reply(rawValue: 5)
        static let timeToLiveExpired = Reply(rawValue: 6)
        static let commandNotSupported = Reply(rawValue: 7)
        static let addressTypeNotSupported = Reply(rawValue: 8)

        /// The reason in words and its number.
        var description: String { "\(words) (SOCKS reply \(rawValue))" }

        private var words: String {
            switch self {
            case .succeeded: "succeeded"
            case .generalFailure: "general failure"
            case .notAllowed: "connection not allowed by its rules"
            case .networkUnreachable: "network unreachable"
            case .hostUnreachable: "host unreachable"
            case .connectionRefused: "connection refused"
            case .timeToLiveExpired: "time to live expired"
            case .commandNotSupported: "command not supported"
            case .addressTypeNotSupported: "address type not supported"
            default: "unassigned reason"
            }
        }
    }
}
