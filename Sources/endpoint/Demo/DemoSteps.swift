// The steps, against a server that echoes. Each answers what happened and throws if it did not.

import Endpoints

/// A connection to an echo server, and what is done with it.
struct DemoSteps {
    private let endpoint: (any ClientEndpoint)?
    private let listener: Listener?
    private let context: EndpointContext
    private var connection: Connection?

    init(endpoint: any ClientEndpoint, listener: Listener, context: EndpointContext) {
        self.endpoint = endpoint
        self.listener = listener
        self.context = context
    }

    /// Steps on a connection that is there already.
    init(connection: Connection, listener: Listener? = nil, context: EndpointContext) {
        endpoint = nil
        self.connection = connection
        self.listener = listener
        self.context = context
    }

    /// What the server does with each connection.
    static func echo(_ connection: Connection) async throws {
        var buffer = ReadBuffer()
        while try await connection.read(into: &buffer) > 0 {
            try await connection.write(buffer)
            buffer.removeAll()
        }
    }

    /// Ends what a step that failed has left.
    func abandon() { connection?.abort() }

    mutating func connect() async throws -> String {
        connection = try await makeConnection()
        return endpoint.map { "\($0)" } ?? ""
    }

    func exchange() async throws -> String {
        let connection = try current()
        let rounds = 100
        let message = [UInt8]((0..<1000).map { UInt8(truncatingIfNeeded: $0) })
        for _ in 0..<rounds {
            try await connection.write(message)
            let answer = try await connection.read(exactly: message.count)
            guard answer == message else { throw DemoFailure("the echo is not what was sent") }
        }
        return "\(rounds * message.count) bytes there and back, in \(rounds) round trips"
    }

    func halfClose() async throws -> String {
        let connection = try current()
        try await connection.write("the last words".utf8)
        try await connection.closeWrite()
        let answer = try await connection.read(exactly: 14)
        guard answer == Array("the last words".utf8) else {
            throw DemoFailure("the echo is not what was sent")
        }
        guard try await connection.read(atMost: 1) == nil else {
            throw DemoFailure("bytes came after the last")
        }
        await connection.close()
        return "our end sent, the answer read, then the peer's end"
    }

    /// Writes and does not read: the echo fills our side, then the server's, then its reading stops.
    func fillSlowReader() async throws -> String {
        let connection = try await makeConnection()
        defer { connection.abort() }
        let loop = context.loops.next()
        let filling = Filling()
        async let written = filling.fill(connection)
        var last = -1
        var still = 0
        while still < 5 {
            try await loop.sleep(for: .milliseconds(10))
            let count = await connection.byteCounts.written
            still = count == last && count > 0 ? still + 1 : 0
            last = count
            guard count < 1 << 30 else { throw DemoFailure("the writer was never made to wait") }
        }
        filling.end()
        var read = 0
        var buffer = ReadBuffer()
        while try await connection.read(into: &buffer) > 0 {
            read += buffer.count
            buffer.removeAll()
        }
        guard try await written == read else {
            throw DemoFailure("\(try await written) bytes written, \(read) came back")
        }
        await connection.close()
        return "the writer waited after \(last) bytes; all \(read) came back once they were read"
    }

    /// Ends the listener while a connection is open that does nothing.
    func drain() async throws -> String {
        guard let listener else { throw DemoFailure("nothing to drain") }
        let idle = try await makeConnection()
        defer { idle.abort() }
        try await idle.write([1])
        _ = try await idle.read(exactly: 1)
        let drained = await listener.drain(within: .milliseconds(50))
        guard drained.aborted == 1 else {
            throw DemoFailure("\(drained.aborted) connections were aborted, not 1")
        }
        let end = try await idle.ended()
        do {
            let late = try await makeConnection()
            late.abort()
        } catch let error as EndpointError {
            return "1 idle connection aborted (\(Self.name(of: end))); then \(error.code)"
        }
        throw DemoFailure("it can still be connected to")
    }

    /// Fills a queue that nobody accepts from, until a connect has to wait, and cancels that.
    static func cancelConnect(
        to server: any ServerEndpoint,
        _ client: @Sendable (SocketAddress) -> String,
        in context: EndpointContext
    ) async throws -> String {
        let listener = try await server.listen(in: context)
        var waiting: [Connection] = []
        defer { for connection in waiting { connection.abort() } }
        do {
            guard let address = listener.addresses.first else { throw DemoFailure("no address") }
            let endpoint = try clientFromString(client(address))
            while waiting.count < 64 {
                waiting.append(
                    try await withTimeout(.milliseconds(100)) {
                        try await endpoint.connect(in: context)
                    }
                )
            }
        } catch let error as TimeoutError where error.underlying is CancellationError {
            await listener.close()
            return "cancelled after \(error.duration), with \(waiting.count) in the server's queue"
        } catch {
            await listener.close()
            throw error
        }
        await listener.close()
        throw DemoFailure("every connect succeeded")
    }

    private func makeConnection() async throws -> Connection {
        guard let endpoint else { throw DemoFailure("nothing to connect to") }
        return try await endpoint.connect(in: context)
    }

    private func current() throws -> Connection {
        guard let connection else { throw DemoFailure("not connected") }
        return connection
    }

    private static func name(of end: ConnectionEnd) -> String {
        switch end {
        case .closed: "closed"
        case .peerClosed: "the peer's end"
        case .truncated: "truncated"
        case .failed(let error): "\(error.code)"
        }
    }
}

/// Writes until it is told to stop.
private final class Filling: Sendable {
    private let isEnding = Lock(false)

    func end() { isEnding.withLock { $0 = true } }

    /// Answers how many bytes were written; then sends the end.
    func fill(_ connection: Connection) async throws -> Int {
        let chunk = [UInt8](repeating: 7, count: 65_536)
        var count = 0
        while !isEnding.withLock({ $0 }) {
            try await connection.write(chunk)
            count += chunk.count
        }
        try await connection.closeWrite()
        return count
    }
}
