// The two sequences: handles on the client and a position, no buffer and no task. An iterator belongs
// to the life of the client in which it began; a stop ends it, even if a restart follows at once.

extension ReconnectingClient {
    /// The instances of a client; see ``ReconnectingClient/connections``.
    public struct Connections: AsyncSequence, Sendable {
        /// What the client's closure makes.
        public typealias Element = Instance
        /// It only ends.
        public typealias Failure = Never

        let client: ReconnectingClient

        /// Iterates from the current instance on.
        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(client: client) }

        /// One consumer's place among the instances.
        public struct AsyncIterator: AsyncIteratorProtocol {
            let client: ReconnectingClient
            private var number = 0
            private var stops: Int?

            init(client: ReconnectingClient) { self.client = client }

            /// The current instance if it was not given yet, or the next; `nil` at the end.
            public mutating func next(
                isolation actor: isolated (any Actor)?
            ) async -> Instance? {
                guard let next = await client.instance(after: number, since: stops) else {
                    return nil
                }
                (number, stops) = (next.number, next.stops)
                return next.instance
            }
        }
    }

    /// The states of a client; see ``ReconnectingClient/states``.
    public struct States: AsyncSequence, Sendable {
        /// What the client does.
        public typealias Element = ReconnectingClientState
        /// It only ends.
        public typealias Failure = Never

        let client: ReconnectingClient
        let position: Int

        /// Iterates from the state at the time when the sequence was asked for.
        public func makeAsyncIterator() -> AsyncIterator {
            AsyncIterator(client: client, position: position)
        }

        /// One consumer's place among the states.
        public struct AsyncIterator: AsyncIteratorProtocol {
            let client: ReconnectingClient
            private var position: Int
            private var isOver = false

            init(client: ReconnectingClient, position: Int) {
                self.client = client
                self.position = position
            }

            /// The next state; `nil` after `stopped`, or when cancelled.
            public mutating func next(
                isolation actor: isolated (any Actor)?
            ) async -> ReconnectingClientState? {
                guard !isOver, let next = await client.state(at: position) else { return nil }
                position = next.position + 1
                if case .stopped = next.state { isOver = true }
                return next.state
            }
        }
    }
}
