import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Why an HTTP proxy did not open a tunnel.
enum HTTPConnectError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The proxy says so; the reason is the status line's, quoted, escaped and cut.
    case refused(status: Int, reason: String)
    /// The answer's head is longer than so many bytes.
    case tooLong(limit: Int)
    /// What came is not an HTTP answer.
    case unexpected(UnexpectedBytes)

    var description: String {
        switch self {
        case .refused(407, let reason):
            "the proxy says: 407 \(reason); give a user and a password that it knows"
        case .refused(let status, let reason):
            "the proxy says: \(status) \(reason)"
        case .tooLong(let limit):
            "the proxy's answer has a head or a line of more than \(limit) bytes"
        case .unexpected(let bytes):
            "\(bytes)"
        }
    }
}
