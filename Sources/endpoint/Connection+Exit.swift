import Endpoints

extension Connection {
    /// How long a program may take to exit when its output has ended.
    private static var exitTime: Duration { .seconds(5) }

    /// What became of the peer after its stream had ended: a program exits with a status.
    func failureAtEnd() async -> (any Error)? {
        let end = try? await withTimeout(Self.exitTime) {
            // It may wait for the end of its input.
            try? await closeWrite()
            return try await ended()
        }
        if case .failed(let error) = end { return error }
        return nil
    }
}
