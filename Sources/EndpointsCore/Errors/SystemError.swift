// Two tables of numbers tell why the system refused: errno, and the EAI codes of getaddrinfo. Both
// have a name that one can search for and a text that one can read; C's texts begin with a capital.

import CEndpoints

/// What the system answered: an errno, or an error of getaddrinfo.
public struct SystemError: Hashable, Sendable, CustomStringConvertible {
    /// Where the number comes from.
    public enum Domain: Hashable, Sendable {
        /// A system call; see errno(3).
        case errno
        /// A look-up; see getaddrinfo(3).
        case addressInfo
    }

    /// Where the number comes from.
    public let domain: Domain
    /// The number: positive for an errno, negative for an EAI code.
    public let code: Int32

    /// Makes an error of a system call.
    ///
    /// - Parameter code: The errno, such as `ECONNREFUSED`.
    public init(errno code: Int32) {
        domain = .errno
        self.code = code
    }

    /// Makes an error of a look-up.
    ///
    /// - Parameter code: What getaddrinfo returned, such as `EAI_NONAME`.
    public init(addressInfo code: Int32) {
        domain = .addressInfo
        self.code = code
    }

    /// The constant's name: `ECONNREFUSED`, `EAI_NONAME`.
    public var name: String {
        switch domain {
        case .errno:
            if let name = endpoints_errno_name(code) { return String(cString: name) }
            return "errno \(code)"
        case .addressInfo:
            return Self.addressInfoNames[code] ?? "EAI \(code)"
        }
    }

    /// What it means, in lower case: `connection refused`.
    public var message: String {
        switch domain {
        case .errno:
            guard let text = endpoints_errno_text(code) else { return "unknown system error" }
            return Self.uncapitalized(String(cString: text))
        case .addressInfo:
            if code == EAI_NONAME { return "no such host" }
            if code == ENDPOINTS_EAI_NODATA { return "the host has no address" }
            guard let text = gai_strerror(code) else { return "unknown look-up error" }
            return Self.uncapitalized(String(cString: text))
        }
    }

    /// `connection refused (ECONNREFUSED)`.
    public var description: String { "\(message) (\(name))" }

    /// The code of an ``EndpointError`` that this one causes.
    package var endpointCode: EndpointError.Code {
        switch domain {
        case .errno: Self.endpointCodes[code] ?? .systemFailure
        case .addressInfo:
            switch code {
            case EAI_NONAME, ENDPOINTS_EAI_NODATA, ENDPOINTS_EAI_ADDRFAMILY: .nameNotFound
            case EAI_AGAIN: .unavailable
            case EAI_MEMORY: .outOfResources
            default: .systemFailure
            }
        }
    }

    /// An abbreviation at the beginning keeps its capitals.
    private static func uncapitalized(_ text: String) -> String {
        let head = text.prefix(2)
        guard head.count == 2, head.allSatisfy(\.isUppercase) else {
            return text.prefix(1).lowercased() + text.dropFirst()
        }
        return text
    }

    private static let addressInfoNames: [Int32: String] = [
        EAI_BADFLAGS: "EAI_BADFLAGS", EAI_NONAME: "EAI_NONAME", EAI_AGAIN: "EAI_AGAIN",
        EAI_FAIL: "EAI_FAIL", ENDPOINTS_EAI_NODATA: "EAI_NODATA", EAI_FAMILY: "EAI_FAMILY",
        EAI_SOCKTYPE: "EAI_SOCKTYPE", EAI_SERVICE: "EAI_SERVICE", EAI_MEMORY: "EAI_MEMORY",
        ENDPOINTS_EAI_ADDRFAMILY: "EAI_ADDRFAMILY", EAI_SYSTEM: "EAI_SYSTEM",
        EAI_OVERFLOW: "EAI_OVERFLOW",
    ]

    private static let endpointCodes: [Int32: EndpointError.Code] = [
        ECONNREFUSED: .connectionRefused,
        ECONNRESET: .connectionReset, EPIPE: .connectionReset, ECONNABORTED: .connectionReset,
        ETIMEDOUT: .timedOut,
        EADDRINUSE: .addressInUse, EADDRNOTAVAIL: .addressNotAvailable,
        ENOENT: .notFound, ENOTDIR: .notFound, ENODEV: .notFound,
        EACCES: .permissionDenied, EPERM: .permissionDenied, EROFS: .permissionDenied,
        EINVAL: .invalidArgument, ENAMETOOLONG: .invalidArgument, ENOTSOCK: .invalidArgument,
        EISDIR: .invalidArgument, ELOOP: .invalidArgument,
        ENETUNREACH: .unreachable, EHOSTUNREACH: .unreachable, ENETDOWN: .unreachable,
        EHOSTDOWN: .unreachable,
        EMFILE: .outOfResources, ENFILE: .outOfResources, ENOBUFS: .outOfResources,
        ENOMEM: .outOfResources, ENOSPC: .outOfResources, EAGAIN: .unavailable,
        EAFNOSUPPORT: .unsupported, EPROTONOSUPPORT: .unsupported, EOPNOTSUPP: .unsupported,
        ENOTCONN: .closed,
    ]
}
