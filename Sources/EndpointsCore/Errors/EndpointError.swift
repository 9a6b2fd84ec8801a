// One shape for all that can go wrong, since it is read by people at night and switched on by
// programs: `what was done` `to what`: `why` (`code`); `what to do`. EndpointError+Description.swift
// writes the line; here are the facts. The code says who is to blame: the caller, the peer, or the
// system and what lies between.
//
// An error is one reference to facts that never change: a connection can remember how it ended at
// the price of a pointer.

/// Why an endpoint, a connection or a listener could not do what was asked.
public struct EndpointError: Error, Sendable {
    /// What kind of failure, to switch on.
    ///
    /// An open set: a kind of endpoint may add its own.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name, `connectionRefused`.
        public let description: String

        /// Makes a code.
        ///
        /// - Parameter name: Its name, in camel case.
        public init(_ name: String) { description = name }
    }

    /// A step on the way to a connection.
    public struct Phase: Hashable, Sendable, CustomStringConvertible {
        /// The phase's name, `connect`.
        public let description: String

        /// Makes a phase.
        ///
        /// - Parameter name: Its name, a verb or a noun in lower case.
        public init(_ name: String) { description = name }

        /// Looking up the name.
        public static let resolve = Phase("resolve")
        /// Binding to the local address.
        public static let bind = Phase("bind")
        /// Connecting the socket.
        public static let connect = Phase("connect")
        /// The PROXY header.
        public static let proxy = Phase("proxy")
        /// The TLS handshake.
        public static let handshake = Phase("handshake")
    }

    /// What became of one address.
    public struct Attempt: Sendable {
        /// The address that was tried.
        public var address: SocketAddress
        /// What was being done when it failed.
        public var phase: Phase
        /// Why it failed.
        public var error: EndpointError
        /// How long it took to fail.
        public var duration: Duration

        /// Makes the record of a failed attempt.
        ///
        /// - Parameters:
        ///   - address: The address that was tried.
        ///   - phase: What was being done when it failed.
        ///   - error: Why it failed.
        ///   - duration: How long it took to fail.
        public init(
            address: SocketAddress,
            phase: Phase,
            error: EndpointError,
            duration: Duration
        ) {
            self.address = address
            self.phase = phase
            self.error = error
            self.duration = duration
        }
    }

    /// To what it was done.
    ///
    /// What a connection is called is put together when somebody reads it: a server makes an error of
    /// every connection that its peer resets, and most are never read.
    package enum Subject: Sendable {
        case unnamed
        case named(String)
        case peer(SocketAddress, endpoint: String)

        package var name: String? {
            switch self {
            case .unnamed: nil
            case .named(let name): name
            case .peer(let address, let endpoint): "\(endpoint) (\(address))"
            }
        }
    }

    private final class Facts: Sendable {
        let code: Code
        let operation: String
        let subject: Subject
        let reason: String?
        let advice: String?
        let systemError: SystemError?
        let attempts: [Attempt]
        let received: [UInt8]
        package let phase: Phase?
        let bytesLost: Int

        init(
            _ code: Code,
            _ operation: String,
            _ subject: Subject,
            _ reason: String?,
            _ advice: String?,
            _ systemError: SystemError?,
            _ attempts: [Attempt],
            _ received: [UInt8],
            _ phase: Phase?,
            _ bytesLost: Int
        ) {
            self.code = code
            self.operation = operation
            self.subject = subject
            self.reason = reason
            self.advice = advice
            self.systemError = systemError
            self.attempts = attempts
            self.received = received
            self.phase = phase
            self.bytesLost = bytesLost
        }
    }
    private let facts: Facts

    /// The code to switch on.
    public var code: Code { facts.code }
    /// What was being done: `connect`, `listen`, `read`.
    public var operation: String { facts.operation }
    /// To what: an endpoint's string, a file, a host, a peer.
    public var endpoint: String? { facts.subject.name }
    /// Why, where neither the code nor the system's error says it all.
    public var reason: String? { facts.reason }
    /// What can be done about it, where we know.
    public var advice: String? { facts.advice }
    /// What the system answered.
    public var systemError: SystemError? { facts.systemError }
    /// What became of each address, in the order in which they were tried.
    public var attempts: [Attempt] { facts.attempts }
    /// The bytes that had come, with code `unexpectedEnd`.
    public var received: [UInt8] { facts.received }
    /// The step on the way to a connection in which it happened.
    public var phase: Phase? { facts.phase }
    /// How many bytes were lost: acknowledged to their sender, and not delivered.
    public var bytesLost: Int { facts.bytesLost }

    /// Makes an error; a kind of endpoint outside this library does so, too.
    ///
    /// - Parameters:
    ///   - code: The code to switch on.
    ///   - operation: What was being done: a verb, such as `connect`.
    ///   - endpoint: To what; quoted, if it is something that a user typed.
    ///   - reason: Why: lower case, no full stop, no secrets. The system's message or the
    ///     code's meaning, unless told.
    ///   - advice: What can be done about it.
    ///   - systemError: What the system answered.
    ///   - attempts: What became of each address.
    ///   - received: What had come before the end.
    ///   - phase: The step on the way to a connection in which it happened.
    public init(
        _ code: Code,
        operation: String,
        endpoint: String? = nil,
        reason: String? = nil,
        advice: String? = nil,
        systemError: SystemError? = nil,
        attempts: [Attempt] = [],
        received: [UInt8] = [],
        phase: Phase? = nil
    ) {
        self.init(
            code,
            operation: operation,
            to: endpoint.map { .named($0) } ?? .unnamed,
            reason: reason,
            advice: advice,
            systemError: systemError,
            attempts: attempts,
            received: received,
            phase: phase
        )
    }

    init(
        _ code: Code,
        operation: String,
        to subject: Subject,
        reason: String? = nil,
        advice: String? = nil,
        systemError: SystemError? = nil,
        attempts: [Attempt] = [],
        received: [UInt8] = [],
        phase: Phase? = nil,
        bytesLost: Int = 0
    ) {
        facts = Facts(
            code,
            operation,
            subject,
            reason,
            advice,
            systemError,
            attempts,
            received,
            phase,
            bytesLost
        )
    }

    /// Makes the error of a system call; the errno gives the code.
    ///
    /// - Parameters:
    ///   - errno: The errno; a negated one, as our C functions answer it, will do.
    ///   - operation: What was being done: a verb, such as `connect`.
    ///   - endpoint: To what.
    ///   - reason: Said before the errno's name in place of the system's message.
    ///   - advice: What can be done about it.
    ///   - phase: The step on the way to a connection in which it happened.
    public init(
        errno: Int32,
        operation: String,
        endpoint: String? = nil,
        reason: String? = nil,
        advice: String? = nil,
        phase: Phase? = nil
    ) {
        let systemError = SystemError(errno: errno.magnitude > Int32.max ? 0 : abs(errno))
        self.init(
            systemError.endpointCode,
            operation: operation,
            endpoint: endpoint,
            reason: reason,
            advice: advice,
            systemError: systemError,
            phase: phase
        )
    }

    /// Makes the error of a system call on a connection.
    init(errno: Int32, operation: String, to subject: Subject) {
        let systemError = SystemError(errno: errno)
        self.init(
            systemError.endpointCode,
            operation: operation,
            to: subject,
            systemError: systemError
        )
    }

    /// The same failure, told of another operation or endpoint: what wraps an endpoint says its own name.
    package func of(operation: String? = nil, endpoint: String? = nil) -> EndpointError {
        of(operation ?? self.operation, endpoint.map { .named($0) } ?? facts.subject)
    }

    /// The same failure, told of `subject` unless it says already of what it is.
    func naming(_ subject: Subject) -> EndpointError {
        if case .unnamed = facts.subject { of(operation, subject) } else { self }
    }

    /// The same failure, by which `count` bytes were lost.
    func losing(_ count: Int) -> EndpointError { of(operation, facts.subject, losing: count) }

    private func of(
        _ operation: String,
        _ subject: Subject,
        losing count: Int? = nil
    ) -> EndpointError {
        EndpointError(
            code,
            operation: operation,
            to: subject,
            reason: reason,
            advice: advice,
            systemError: systemError,
            attempts: attempts,
            received: received,
            phase: phase,
            bytesLost: count ?? bytesLost
        )
    }
}
