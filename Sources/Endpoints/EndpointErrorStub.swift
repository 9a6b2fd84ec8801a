extension EndpointError {
    init(errno: Int32, operation: String, endpoint: String? = nil) {
        self.init(.connectionRefused, operation: operation, endpoint: endpoint)
    }
    init(_ code: Code, operation: String, endpoint: String?, reason: String?, received: [UInt8] = []) {
        self.init(code, operation: operation, endpoint: endpoint)
    }
}
extension EndpointError.Code {
    static let closed = Self("closed"), busy = Self("busy"), partialWrite = Self("partialWrite"), timedOut = Self("timedOut"), truncated = Self("truncated"), invalidArgument = Self("invalidArgument"), unexpectedEnd = Self("u"), tooLong = Self("t")
}
extension Duration { var inSeconds: String { "\(self)" } }
