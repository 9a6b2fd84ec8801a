/// Why an endpoint, a connection or a listener could not do what was asked.
public struct EndpointError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure; an open set.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String
        init(_ name: String) { description = name }
        /// Nobody listens there.
        public static let connectionRefused = Code("connectionRefused")
    }
    /// The code to switch on.
    public var code: Code
    /// What was being done.
    public var operation: String
    /// To what.
    public var endpoint: String?
    /// One readable line.
    public var description: String { "\(operation) \(endpoint ?? "")" }

    /// Makes an error.
    public init(_ code: Code, operation: String, endpoint: String? = nil) {
        self.code = code
        self.operation = operation
        self.endpoint = endpoint
    }
}
