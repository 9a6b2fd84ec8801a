// The codes that the library itself uses, by who is to blame.

extension EndpointError.Code {
    // MARK: the caller

    /// Another task is already doing it.
    public static let busy = Self("busy")
    /// It was closed or aborted by us.
    public static let closed = Self("closed")
    /// A value that cannot be right.
    public static let invalidArgument = Self("invalidArgument")
    /// A cancelled write left part of its bytes; nothing can be written after it.
    public static let partialWrite = Self("partialWrite")

    // MARK: the peer

    /// Nobody listens there.
    public static let connectionRefused = Self("connectionRefused")
    /// The peer reset the connection, or is gone.
    public static let connectionReset = Self("connectionReset")
    /// The certificate is not one that we trust for this name and time.
    public static let certificateInvalid = Self("certificateInvalid")
    /// The TLS handshake failed.
    public static let handshakeFailed = Self("handshakeFailed")
    /// The stream ended before as many bytes had come as were asked for.
    public static let unexpectedEnd = Self("unexpectedEnd")
    /// The stream was cut off: its end is not the one that the peer's protocol promises.
    public static let truncated = Self("truncated")
    /// A line or a frame is over its limit.
    public static let tooLong = Self("tooLong")

    // MARK: the system, and what lies between

    /// It took longer than it was given.
    public static let timedOut = Self("timedOut")
    /// Somebody listens there already.
    public static let addressInUse = Self("addressInUse")
    /// The address is none of this host's, or has no port left.
    public static let addressNotAvailable = Self("addressNotAvailable")
    /// There is no host of that name, or it has no address.
    public static let nameNotFound = Self("nameNotFound")
    /// There is no such file.
    public static let notFound = Self("notFound")
    /// The system does not allow it.
    public static let permissionDenied = Self("permissionDenied")
    /// There is no way to that network or host.
    public static let unreachable = Self("unreachable")
    /// Descriptors, memory, threads or a queue are used up.
    public static let outOfResources = Self("outOfResources")
    /// It does not work now and may work later: a name server that does not answer.
    public static let unavailable = Self("unavailable")
    /// This system cannot do it.
    public static let unsupported = Self("unsupported")
    /// Another error of the system's: see ``EndpointError/systemError``.
    public static let systemFailure = Self("systemFailure")
}
