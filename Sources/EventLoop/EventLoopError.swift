import CEndpoints

/// Why an event loop could not be made.
public struct EventLoopError: Error, Sendable, CustomStringConvertible {
    /// The system call that failed.
    public let operation: String
    /// Its errno.
    public let code: Int32

    /// One readable line.
    public var description: String {
        "make event loop: \(operation): \(String(cString: strerror(code))) (errno \(code))"
    }
}
