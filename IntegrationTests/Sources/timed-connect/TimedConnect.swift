// Connects to a name where its addresses are the test's own: a program, since a network namespace is
// a process's.

import Endpoints

/// `timed-connect SERVER NAME COUNT [TIMEOUT]` listens at SERVER, connects COUNT times to NAME at
/// its port, and prints each time who answered, or the error, behind the milliseconds that it took.
@main struct TimedConnect {
    static func main() async throws {
        let arguments = CommandLine.arguments
        let listener = try await serverFromString(arguments[1]).listen()
        let serving = Task { try await listener.serve { _ in } }
        let port = listener.addresses[0].port ?? 0
        let timeout = arguments.count > 4 ? arguments[4] : "30"
        let client = try clientFromString("tcp:\(arguments[2]):\(port):timeout=\(timeout)")
        for _ in 0..<(Int(arguments[3]) ?? 1) {
            let begin = ContinuousClock.now
            let result: String
            do {
                let connection = try await client.connect()
                result = connection.remoteAddress.ip ?? ""
                connection.abort()
            } catch {
                result = "\(error)"
            }
            let (seconds, attoseconds) = (ContinuousClock.now - begin).components
            print("\(seconds * 1000 + attoseconds / 1_000_000_000_000_000) \(result)")
        }
        await listener.close()
        try await serving.value
    }
}
